//! Records of a session: replayed, out of order, out of time, or of another session.

use std::time::Duration;

use peer_protocol::envelope::Envelope;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::limits::{MAX_RECORDS_PER_KEY, REPLAY_WINDOW};
use peer_protocol::replay::ReplayError;
use peer_protocol::session::{SessionError, WindowError};

use crate::rig::{Established, KINDS};
use crate::wire::{Item, Letter, Map, sealed_letter};

/// A record of A made by hand and signed by A.
fn signed(session: &mut Established, sequence: u64, change: impl FnOnce(&mut Map)) -> Vec<u8> {
    session.record(0, sequence, change).signed(&session.nodes[0].signing)
}

#[test]
fn replayed_record_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let record = session.seal(0, "pay 10");
        assert_eq!(session.receive(1, &record), Ok(vec!["pay 10".to_owned()]));
        for _ in 0..3 {
            let error = session.refuses(1, &record);
            assert_eq!(error, SessionError::Replay(ReplayError::Repeated));
            assert_eq!(ErrorCode::from(&error).as_str(), "REPLAY_DETECTED");
        }
        session.nodes[1].pass(Duration::from_secs(301));
        assert!(session.receive(1, &record).is_err());
    }
}

/// A number used twice, in a record that is new in every other way.
#[test]
fn sequence_reuse_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        for sequence in [0, 7] {
            let first = signed(&mut session, sequence, |_| {});
            let _ = session.receive(1, &first);
            let second = signed(&mut session, sequence, |_| {});
            let error = session.refuses(1, &second);
            assert_eq!(error, SessionError::Window(WindowError::Repeated { sequence }));
            assert_eq!(ErrorCode::from(&error).as_str(), "SEQUENCE_ERROR");
            // The number is looked at before anything is decrypted.
            let mut broken = session.record(0, sequence, |_| {});
            broken.set("payload", Item::bytes([7; 64]));
            let broken = broken.signed(&session.nodes[0].signing);
            assert_eq!(session.refuses(1, &broken), error);
        }
    }
}

/// The record in `ready` was number 0 of the responder's direction.
#[test]
fn sequence_reuse_of_the_record_in_ready_is_refused() {
    let mut session = crate::rig::Run::at(HandshakeKind::SixStep, 6).finish();
    let again = session.record(1, 0, |_| {}).signed(&session.nodes[1].signing);
    let error = session.refuses(0, &again);
    assert_eq!(error, SessionError::Window(WindowError::Repeated { sequence: 0 }));
}

/// A nonce used twice, in a record with a number of its own.
#[test]
fn nonce_reuse_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let nonce = Item::bytes([7; 16]);
        let first = signed(&mut session, 1, |header| header.set("nonce", nonce.clone()));
        let second = signed(&mut session, 2, |header| header.set("nonce", nonce));
        session.receive(1, &first).unwrap();
        let error = session.refuses(1, &second);
        assert_eq!(error, SessionError::Replay(ReplayError::Repeated));
    }
}

/// Opened twice before either is accepted: still only one is.
#[test]
fn a_record_opened_twice_is_accepted_once() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let bytes = session.seal(0, "once");
        let node = &session.nodes[1];
        let open = || {
            let envelope = Envelope::decode(bytes.clone()).unwrap();
            session.sessions[1].open(envelope, &node.config.identity, node.now).unwrap()
        };
        let records = [open(), open()];
        let accepted = records.map(|record| session.sessions[1].accept(record, node.now).is_ok());
        assert_eq!(accepted, [true, false]);
    }
}

/// Late records are fine within the window, and refused behind it.
#[test]
fn records_out_of_the_window_are_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let newest = 5000;
        for (sequence, fine) in [
            (newest, true),
            (newest - 1, true),
            (newest - REPLAY_WINDOW + 1, true),
            (newest - REPLAY_WINDOW, false),
            (2, false),
            (newest - 1, false),
            (newest - REPLAY_WINDOW + 1, false),
            (newest + 1, true),
        ] {
            let record = signed(&mut session, sequence, |_| {});
            match session.receive(1, &record) {
                Ok(_) => assert!(fine, "{sequence}"),
                Err(refusal) => {
                    assert!(!fine, "{sequence}");
                    assert_eq!(refusal.code(), ErrorCode::SequenceError);
                }
            }
        }
    }
}

/// A far-away number in a record that fails any check must not move the window.
#[test]
fn a_refused_record_changes_nothing() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let late = signed(&mut session, 1, |_| {});
        let far = session.record(0, 100_000, |_| {});
        let mut broken = far.clone();
        broken.set("payload", Item::bytes([7; 64]));
        let unsigned = far.signed(&session.nodes[1].signing);
        let skewed = signed(&mut session, 100_001, |header| header.set("timestamp", Item::Uint(1)));
        for message in [broken.signed(&session.nodes[0].signing), unsigned, skewed] {
            session.refuses(1, &message);
        }
        session.receive(1, &late).unwrap();
        session.receive(1, &far.signed(&session.nodes[0].signing)).unwrap();
    }
}

/// No number is so large that it could be used twice, and none lies beyond what a key may seal.
#[test]
fn sequence_reuse_at_the_end_of_all_numbers_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let last = signed(&mut session, MAX_RECORDS_PER_KEY - 1, |_| {});
        session.receive(1, &last).unwrap();
        for sequence in [MAX_RECORDS_PER_KEY, u64::MAX - 1, u64::MAX] {
            let record = signed(&mut session, sequence, |_| {});
            assert_eq!(session.receive(1, &record).unwrap_err().code(), ErrorCode::SequenceError);
        }
        let next = signed(&mut session, MAX_RECORDS_PER_KEY - 2, |_| {});
        session.receive(1, &next).unwrap();
    }
}

/// A record of one session means nothing in another one between the same two entities.
#[test]
fn the_key_of_one_session_does_not_open_another() {
    for kind in KINDS {
        let mut old = Established::new(kind);
        let record = Letter::parse(&old.seal(0, "from the old session"));
        let old_keys = old.keys.clone();
        let mut new = old.again().finish();
        assert_eq!(new.refuses(1, &record.encode()), SessionError::Decryption);
        let mut moved = record;
        moved.set("session_id", Item::bytes(new.sessions[1].id().as_bytes()));
        let moved = moved.signed(&new.nodes[0].signing);
        let error = new.refuses(1, &moved);
        assert_eq!(error, SessionError::Decryption);
        assert_eq!(ErrorCode::from(&error).as_str(), "DECRYPTION_FAILED");
        // Sealed anew for the new session, but under the old one's key.
        let right = new.record(0, 3, |_| {});
        let mut header = right.0.clone();
        header.remove("payload");
        let stale = sealed_letter(header, "AES-256-GCM", &old_keys.initiator, 3, &[0x80]);
        let stale = stale.signed(&new.nodes[0].signing);
        assert_eq!(new.refuses(1, &stale), SessionError::Decryption);
        new.receive(1, &right.signed(&new.nodes[0].signing)).unwrap();
    }
}

/// Nothing is sealed or opened once the session's life is over.
#[test]
fn records_of_an_expired_session_are_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let lifetime = session.nodes[1].config.session_lifetime;
        let record = session.seal(0, "too late");
        let early = session.seal(0, "just in time");
        // The wall clock stands still, so that only the session's life is over.
        let clock = session.nodes[1].now.timestamp;
        session.nodes[1].pass(lifetime - Duration::from_millis(1));
        session.nodes[1].now.timestamp = clock;
        session.receive(1, &early).unwrap();
        session.nodes[1].now.instant = session.nodes[1].now.instant + Duration::from_millis(1);
        let error = session.refuses(1, &record);
        assert_eq!(error, SessionError::Expired);
        assert_eq!(ErrorCode::from(&error).as_str(), "SESSION_EXPIRED");
        let node = &mut session.nodes[1];
        let sealed = session.sessions[1].seal(&[], &node.config.identity, &mut node.rng, node.now);
        assert_eq!(sealed.unwrap_err(), SessionError::Expired);
    }
}

/// A plaintext that is no batch of messages, from a peer that seals and signs it all the same.
#[test]
fn a_record_that_is_no_batch_is_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        let header = {
            let mut header = session.record(0, 1, |_| {}).0;
            header.remove("payload");
            header
        };
        let spoilt: [&[u8]; 6] = [b"", &[0x80], &[0x00], &[0xa0], &[0x81, 0x00], &[0x80, 0x00]];
        for plaintext in spoilt {
            let keys = session.keys.initiator.clone();
            let letter = sealed_letter(header.clone(), "AES-256-GCM", &keys, 1, plaintext);
            let error = session.refuses(1, &letter.signed(&session.nodes[0].signing));
            assert!(matches!(error, SessionError::Batch(_)), "{plaintext:?}: {error}");
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidVersion);
        }
        let right = signed(&mut session, 1, |_| {});
        session.receive(1, &right).unwrap();
    }
}
