//! The limits of `peer_protocol::limits` that are computed, in plain numbers, and where `docs/PROTOCOL.md`
//! gives the same ones: who implements the page must not meet other limits here.

use std::fs;
use std::path::Path;
use std::time::Duration;

use peer_protocol::limits::*;

const DAY: u64 = 86_400;

/// The text of a section, without those below it.
fn section<'a>(page: &'a str, number: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n### {number} ")).unwrap();
    rest.split("\n##").next().unwrap()
}

#[test]
fn limits_in_bytes_are_those_of_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let page = fs::read_to_string(page).unwrap();
    for (limit, number, place, words) in [
        (MAX_ENVELOPE_LEN as u64, 1_064_960, "2.5", "1 MiB + 16 KiB = 1,064,960 bytes"),
        (MAX_PLAIN_ENVELOPE_LEN as u64, 16_384, "2.5", "16 KiB = 16,384 bytes"),
        (MAX_BODY_LEN as u64, 1_052_672, "2.5", "1 MiB + 4 KiB = 1,052,672 bytes"),
        (MAX_CONTENT_LEN as u64, 1_048_576, "7.1", "a content at most 1 MiB = 1,048,576 bytes"),
        (BATCH_TARGET_LEN as u64, 262_144, "2.4", "256 KiB of bodies"),
        (MAX_RECORDS_PER_KEY, 16_777_216, "5.4", "2^24 records"),
        (MAX_BYTES_PER_KEY, 68_719_476_736, "5.4", "2^36 bytes"),
        (MAX_WINDOW_BYTES as u64, 8_388_608, "8.1", "1,024 messages and 8 MiB"),
        (MAX_WINDOWS_BYTES as u64, 67_108_864, "8.1", "64 MiB for all peers"),
        (MAX_OUTBOX_BYTES, 1_073_741_824, "8.1", "1 GiB in all"),
        (MAX_OUTBOX_BYTES_PER_PEER, 536_870_912, "8.1", "512 MiB per peer"),
        (MAX_HELD_BYTES as u64, 4_194_304, "8.2", "4 MiB per peer"),
        (MAX_ALL_HELD_BYTES as u64, 67_108_864, "8.2", "64 MiB for all peers"),
        (MAX_WRITING_BYTES as u64, 8_388_608, "8.2", "as many messages and bytes as a window has"),
        (MAX_TRANSFER_LEN, 9_007_199_254_740_992, "9.1", "at most 2^53"),
        (MIN_PIECE_LEN.into(), 65_536, "9.2", "pieces of 64 KiB to 1 MiB"),
        (MAX_PIECE_LEN.into(), 1_048_576, "9.2", "pieces of 64 KiB to 1 MiB"),
        (TRANSFER_WINDOW, 8_388_608, "9.2", "window is 8 MiB"),
        (PROGRESS_LEN, 4_194_304, "9.2", "after every 4 MiB"),
        (MAX_INLINE_CONTENT_LEN as u64, 65_536, "9.4", "longer than 64 KiB"),
        (MAX_LONG_CONTENT_LEN as u64, 67_108_864, "9.4", "at most 64 MiB"),
        (MAX_RECORD_LEN as u64, 4_096, "11.2", "at most 4096 bytes"),
        (MAX_KEPT_ANSWER_BYTES as u64, 8_388_608, "12.6", "256 answers and 8 MiB"),
        (MAX_CARRIED_BYTES as u64, 33_554_432, "12.7", "32 MiB"),
        (MAX_STREAM_BYTES.into(), 8_388_608, "14.4", "32 requests, 8 MiB"),
        (MAX_ITEM_LEN as u64, 131_072, "18.3", "At most 128 KiB"),
        (ITEM_TARGET_LEN as u64, 65_536, "18.3", "64 KiB of bodies"),
        (MAX_PUT_BYTES as u64, 1_048_576, "18.4", "at most 64 and 1 MiB"),
    ] {
        assert_eq!(limit, number, "{words} (§{place})");
        let text = section(&page, place).to_lowercase();
        assert!(text.contains(&words.to_lowercase()), "§{place} does not say: {words}");
    }
    // Nobody else meets these.
    assert_eq!(MAX_QUEUED_BYTES, 16_777_216);
    assert_eq!(MAX_UNWRITTEN_BYTES, 67_108_864);
}

#[test]
fn limits_in_time_are_those_of_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let page = fs::read_to_string(page).unwrap();
    for (limit, seconds, place, words) in [
        (SESSION_LIFETIME, 1_800, "5.3", "30 min by default"),
        (MAX_SESSION_LIFETIME, DAY, "5.3", "from 1 s to 24 h"),
        (MESSAGE_TTL, 7 * DAY, "8.1", "default 7 days"),
        (MAX_MESSAGE_TTL, 30 * DAY, "8.1", "at most 30"),
        (LAST_RESORT_ROTATION, 7 * DAY, "18.2", "every 7 days"),
        (MAX_PREKEY_LIFE, 28 * DAY, "18.2", "at most 28 days ahead"),
        (LAST_RESORT_LIFE, 14 * DAY, "18.2", "| life | 28 days | 14 days |"),
        (MAX_ITEM_TTL, 14 * DAY, "18.3", "at most 14 days after it was sealed"),
    ] {
        assert_eq!(limit, Duration::from_secs(seconds), "{words} (§{place})");
        assert!(section(&page, place).contains(words), "§{place} does not say: {words}");
    }
}
