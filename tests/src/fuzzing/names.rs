//! Names and numbers as people, files and peers write them.

use std::fmt::Display;
use std::str::FromStr;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, SessionId, TransferId};
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::limits::{MAX_ENTITY_ID_LEN, MAX_FILE_NAME_LEN, MAX_NAME_LEN};
use peer_protocol::registry::{Capability, Key};
use peer_protocol::transfer::check_name;

use crate::people::identity;

/// A text: whatever reads it writes what it read, and reads that again as the same.
pub fn names(data: &[u8]) {
    // A key of the hash table is bytes.
    if let Ok(key) = Key::from_bytes(data) {
        assert_eq!(key.as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(entity) = read::<EntityId>(text) {
        assert!((1..=MAX_ENTITY_ID_LEN).contains(&entity.as_str().len()));
        assert!(!entity.as_str().starts_with('/'), "it would be taken for an address");
        assert!(text.parse::<Fingerprint>().is_err(), "it would be taken for a fingerprint");
        let owner = identity(0);
        // A name of the derived shape is nobody's but the key's that derives it.
        let derived = EntityId::derived(owner.public_key());
        if entity == derived {
            assert!(entity.check_key(owner.public_key()).is_ok());
            assert!(entity.check_key(identity(1).public_key()).is_err());
        }
    }
    read::<Fingerprint>(text);
    if let Some(capability) = read::<Capability>(text) {
        assert!((1..=MAX_NAME_LEN).contains(&capability.as_str().len()));
    }
    read::<MessageId>(text);
    read::<SessionId>(text);
    read::<TransferId>(text);
    if let Some(code) = read::<ErrorCode>(text) {
        assert_eq!(code.as_str(), text);
    }
    if check_name(text).is_ok() {
        assert!((1..=MAX_FILE_NAME_LEN).contains(&text.len()));
        assert!(!text.contains(['/', '\\']) && !text.chars().any(char::is_control));
        assert!(text != "." && text != "..");
        let path = std::path::Path::new(text);
        assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(text));
    }
}

fn read<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let written = value.to_string();
    let again: Option<T> = written.parse().ok();
    assert_eq!(again.as_ref(), Some(&value), "{text:?} was written as {written:?}");
    assert_eq!(again.map(|again| again.to_string()), Some(written));
    Some(value)
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let alice = identity(0);
    let texts = [
        alice.entity().to_string(),
        EntityId::derived(alice.public_key()).to_string(),
        Fingerprint::of(alice.public_key()).to_string(),
        "urn:agents/alice@example.org".to_owned(),
        "translate".to_owned(),
        TransferId::random(&mut super::seeds::rng()).to_string(),
        ErrorCode::RateLimited.as_str().to_owned(),
        "report (final).tar.gz".to_owned(),
        "\u{202e}gpj.exe".to_owned(),
        "CON".to_owned(),
    ];
    let key = Key::of_entity(alice.entity()).as_bytes().to_vec();
    texts.into_iter().map(String::into_bytes).chain([key]).collect()
}
