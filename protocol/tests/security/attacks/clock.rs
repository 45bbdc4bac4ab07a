//! Skewed clocks, and handshakes that take too long.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{HandshakeError, HandshakeKind};
use peer_protocol::replay::ReplayError;
use peer_protocol::session::SessionError;
use peer_protocol::time::Timestamp;

use crate::rig::{Established, KINDS, Run, START, all_stages};
use crate::wire::{Item, Letter};

const SKEWS: [(u64, bool); 8] = [
    (START - 60_000, true),
    (START + 60_000, true),
    (START - 60_001, false),
    (START + 60_001, false),
    (START - 3_600_000, false),
    (START + 3_600_000, false),
    (0, false),
    (u64::MAX, false),
];

/// A message from a clock that is wrong in either direction, at every step.
#[test]
fn skewed_clock_is_refused_in_both_directions_at_every_step() {
    for (kind, made) in all_stages() {
        for (timestamp, fine) in SKEWS {
            let mut run = Run::at(kind, made);
            let forged = run.forged(|letter| letter.set("timestamp", Item::Uint(timestamp)));
            if fine {
                // Where a MAC or a record covers the timestamp it breaks, but nothing is too late.
                if let Err(refusal) = run.give(run.receiver(), &forged) {
                    assert_eq!(refusal.code(), ErrorCode::DecryptionFailed, "{kind} {made}");
                }
            } else {
                let error = run.refuses(&forged);
                let skewed = matches!(error, HandshakeError::Replay(ReplayError::Skewed { .. }));
                assert!(skewed, "{kind} {made} {timestamp}: {error}");
                assert_eq!(ErrorCode::from(&error).as_str(), "REPLAY_DETECTED");
                run.finish();
            }
        }
    }
}

/// A peer whose clock is wrong is told so, with the limit.
#[test]
fn skewed_clock_is_named_in_the_error() {
    let mut run = Run::new(HandshakeKind::SixStep);
    run.nodes[0].now.timestamp = Timestamp::from_millis(START + 90_000);
    run.step();
    let error = run.refuses(&run.pending()).to_string();
    assert!(error.contains("90000 ms") && error.contains("60000 ms"), "{error}");
}

#[test]
fn records_from_a_skewed_clock_are_refused() {
    for kind in KINDS {
        for (timestamp, fine) in SKEWS {
            let mut session = Established::new(kind);
            let record = session.record(0, 1, |header| {
                header.set("timestamp", Item::Uint(timestamp));
            });
            let signed = record.signed(&session.nodes[0].signing);
            if fine {
                session.receive(1, &signed).unwrap();
            } else {
                let error = session.refuses(1, &signed);
                assert!(matches!(error, SessionError::Replay(ReplayError::Skewed { .. })));
            }
        }
    }
}

/// An unusually tolerant node still remembers each nonce for as long as it would be let in.
#[test]
fn a_large_tolerance_never_outlives_the_memory_of_nonces() {
    let mut run = Run::new(HandshakeKind::SixStep);
    run.nodes[1].config.max_skew = Duration::from_secs(1_000_000);
    run.nodes[1].replay = peer_protocol::replay::ReplayGuard::new(Duration::from_secs(1_000_000));
    let mut run = run.to(1);
    let (e1, key, expected) =
        (run.pending(), run.nodes[0].signing.clone(), run.expected[1].clone());
    run.step();
    for number in 1..=10 {
        run.nodes[1].pass(Duration::from_secs(100));
        // Something new comes in, so that old nonces are forgotten.
        let mut fresh = Letter::parse(&e1);
        fresh.set("nonce", Item::bytes([number; 16]));
        fresh.set("timestamp", Item::Uint(run.nodes[1].now.timestamp.as_millis()));
        run.nodes[1].answer(&fresh.signed(&key), &expected).unwrap();
        let refusal = run.nodes[1].answer(&e1, &expected).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::ReplayDetected);
    }
}

/// Ten seconds for a whole handshake, counted from its first message on either side.
#[test]
fn a_step_after_the_handshakes_time_is_refused() {
    for (kind, made) in all_stages().filter(|(_, made)| *made > 1) {
        let mut run = Run::at(kind, made);
        run.pass(Duration::from_secs(10));
        run.step();
        let mut run = Run::at(kind, made);
        run.pass(Duration::from_millis(10_001));
        let error = run.refuses(&run.pending());
        assert_eq!(error, HandshakeError::TimedOut, "{kind} {made}");
        assert_eq!(ErrorCode::from(&error).as_str(), "SESSION_EXPIRED");
    }
}
