//! Floods: nonces, garbage, handshakes, and bytes.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError, HandshakeKind};
use peer_protocol::limits::{MAX_ENVELOPE_LEN, MAX_NONCES, MAX_PLAIN_ENVELOPE_LEN};
use peer_protocol::replay::ReplayError;
use peer_protocol::time::Timestamp;

use crate::rig::{Ends, Established, KINDS, Run, START};
use crate::wire::{Item, Letter};

/// A peer that begins handshakes without end fills a bounded memory, and cannot make it forget an old
/// message and then replay it.
#[test]
fn nonce_flood_of_handshakes_neither_grows_memory_nor_brings_an_old_one_back() {
    let mut run = Run::at(HandshakeKind::SixStep, 1);
    let (old, key) = (run.pending(), run.nodes[0].signing.clone());
    let expected = Expected::default();
    run.nodes[1].answer(&old, &expected).unwrap();
    let mut letter = Letter::parse(&old);
    for number in 0..MAX_NONCES as u64 + 10 {
        letter.set("nonce", Item::bytes([[0; 8], number.to_be_bytes()].concat()));
        letter.set("timestamp", Item::Uint(START + 1 + number));
        run.nodes[1].now.timestamp = Timestamp::from_millis(START + 1 + number);
        run.nodes[1].answer(&letter.signed(&key), &expected).unwrap();
    }
    assert_eq!(run.nodes[1].replay.len(), MAX_NONCES);
    let error = run.nodes[1].answer(&old, &expected).unwrap_err().handshake();
    assert_eq!(error, HandshakeError::Replay(ReplayError::Forgotten));
    assert_eq!(ErrorCode::from(&error), ErrorCode::ReplayDetected);
}

/// What nobody signed is not even remembered, however much of it there is.
#[test]
fn nonce_flood_by_an_outsider_leaves_no_trace() {
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        for number in 0..200_u64 {
            let nonce = Item::bytes([number.to_be_bytes(), [0; 8]].concat());
            let forged = run.tampered(|letter| letter.set("nonce", nonce));
            run.refuses(&forged);
        }
        assert!(run.nodes[1].replay.is_empty());
        // Nor does a spoilt copy of a message spend the nonce of the message itself.
        let spoilt = run.tampered(|letter| letter.set("signature", Item::bytes([0; 64])));
        run.refuses(&spoilt);
        run.finish();
    }
}

/// More records than a session remembers nonces of: the sequence window refuses the rest.
#[test]
fn nonce_flood_of_records_does_not_bring_an_old_one_back() {
    let mut session = Established::new(HandshakeKind::SixStep);
    let records: Vec<_> = (0..MAX_NONCES + 10).map(|_| session.seal(0, "x")).collect();
    for record in &records {
        session.receive(1, record).unwrap();
    }
    for record in records.iter().step_by(97) {
        let code = session.receive(1, record).unwrap_err().code();
        assert!(matches!(code, ErrorCode::ReplayDetected | ErrorCode::SequenceError), "{code}");
    }
}

/// Each refusal costs a signature; beyond 60 at once, and 2 a second, requests just fail.
#[test]
fn a_flood_of_garbage_is_answered_sparingly() {
    let mut ends = Ends::ready(HandshakeKind::SixStep);
    let answered = (0..1000).filter(|_| ends.ask(1, b"garbage").is_some()).count();
    assert_eq!(answered, 60);
    ends.pass(Duration::from_secs(5));
    let answered = (0..1000).filter(|_| ends.ask(1, b"garbage").is_some()).count();
    assert_eq!(answered, 10);
    let record = ends.record(0, 1).signed(&ends.signing[0]);
    ends.ask(1, &record).expect("an answer");
    assert_eq!(ends.received(1), 1);
}

/// Ten handshakes at once, then one every twelve seconds.
#[test]
fn a_flood_of_handshakes_is_limited() {
    let mut ends = Ends::new(HandshakeKind::SixStep);
    let mut codes = Vec::new();
    for number in 0..12_u8 {
        let mut run = Run::new(HandshakeKind::SixStep);
        run.nodes[0].rng = crate::rig::Node::new("x", number).rng;
        run.step();
        let answer = Letter::parse(&ends.ask(1, &run.pending()).unwrap());
        codes.push(match answer.get("msg_type").as_text() {
            "error" => answer.body().get("code").as_text().to_owned(),
            other => other.to_owned(),
        });
        if let Some(retry) = answer.body().find("retry_after_ms") {
            assert_eq!(retry, &Item::Uint(12_001));
        }
    }
    assert_eq!(codes[0], "handshake_init_ack");
    assert!(codes[1..10].iter().all(|code| code == "HANDSHAKE_IN_PROGRESS"), "{codes:?}");
    assert!(codes[10..].iter().all(|code| code == "RATE_LIMITED"), "{codes:?}");
}

#[test]
fn oversized_envelopes_are_refused_before_they_are_looked_at() {
    let mut run = Run::at(HandshakeKind::SixStep, 1);
    let huge = vec![0xa9; MAX_ENVELOPE_LEN + 1];
    let refusal = run.refused(1, &huge).envelope();
    let text = refusal.to_string();
    assert!(text.contains(&(MAX_ENVELOPE_LEN + 1).to_string()), "{text}");
    assert!(text.contains(&MAX_ENVELOPE_LEN.to_string()), "{text}");

    // Outside a session 16 KiB are the most, even under a good signature.
    let fitting = MAX_PLAIN_ENVELOPE_LEN - run.pending().len() - 2;
    let features = |len: usize| {
        let names = vec!["x".repeat(60); len / 62];
        Item::List(names.into_iter().map(Item::text).collect())
    };
    let big = run.forged(|letter| letter.set_in_body("features", features(fitting + 200)));
    assert!(big.len() > MAX_PLAIN_ENVELOPE_LEN);
    let text = run.refused(1, &big).envelope().to_string();
    assert!(text.contains(&big.len().to_string()), "{text}");
    assert!(text.contains(&MAX_PLAIN_ENVELOPE_LEN.to_string()), "{text}");
    let almost = run.forged(|letter| letter.set_in_body("features", features(fitting - 200)));
    assert!(matches!(run.refuses(&almost), HandshakeError::Parameter { .. }), "too many names");
    run.finish();
}

/// Lengths that the bytes do not back: nothing of the kind is ever allocated.
#[test]
fn announced_lengths_are_not_believed() {
    let mut run = Run::at(HandshakeKind::SixStep, 1);
    let huge: [&[u8]; 5] = [
        &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xba, 0xff, 0xff, 0xff, 0xff],
        &[0xa1, 0x65, b'n', b'o', b'n', b'c', b'e', 0x5b, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0xa1, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x9a, 0x00, 0x10, 0x00, 0x00],
    ];
    for bytes in huge {
        assert_eq!(run.refused(1, bytes).code(), ErrorCode::InvalidVersion);
    }
    let deep = [vec![0x81; 100_000], vec![0x00]].concat();
    assert_eq!(run.refused(1, &deep).code(), ErrorCode::InvalidVersion);
    run.finish();
}
