//! Messages without a session against replay, redirection and forgery.

use super::*;
use crate::error::ErrorCode;
use crate::legacy::{ReplayError, SessionError, Sessionless};

const NOBODY: &dyn Fn(&EntityId) -> bool = &|_| false;

/// A's end and B's; B knows A's key from elsewhere, and the other way round.
fn ends() -> (Side, Sessionless, Side, Sessionless) {
    let (a, b) = sides();
    let end = |me: &Side, peer: &Side| {
        let (entity, key) = (peer.me.entity().clone(), *peer.me.public_key());
        Sessionless::new(&me.me, entity, key, NOW.timestamp)
    };
    let (at_a, at_b) = (end(&a, &b), end(&b, &a));
    (a, at_a, b, at_b)
}

fn sealed(a: &mut Side, end: &Sessionless) -> Message {
    end.seal("task", payload(r#"{"message":"hello"}"#), NOW, &mut a.rng).unwrap()
}

#[test]
fn a_message_arrives_once_and_shows_the_key() {
    let (mut a, at_a, mut b, at_b) = ends();
    let message = sealed(&mut a, &at_a);
    assert_eq!((message.content().session_id, message.content().sequence_num), (None, None));
    assert_eq!(
        message.content().sender_public_key,
        Some(hex::encode(a.me.public_key().as_bytes()))
    );
    at_b.accept(&message, NOBODY, &mut b.nonces, NOW).unwrap();
    let error = at_b.accept(&message, NOBODY, &mut b.nonces, NOW).unwrap_err();
    assert_eq!((error.code(), error), (ErrorCode::ReplayDetected, ReplayError::Seen.into()));
    assert_eq!(
        at_a.seal("handshake", Object::new(), NOW, &mut a.rng),
        Err(SessionError::Handshake)
    );
}

/// The original names sessions of its own; they mean nothing here.
#[test]
fn session_and_number_are_not_looked_at() {
    let (mut a, at_a, mut b, at_b) = ends();
    let message = tamper(&sealed(&mut a, &at_a), "sequence_num", Value::Number(7_u64.into()));
    let message = tamper(&message, "session_id", "78e51061-7311-48a3-82ce-6f447ed4d57b");
    at_b.accept(&message, NOBODY, &mut b.nonces, NOW).unwrap();
}

#[test]
fn what_is_old_or_from_before_the_start_is_refused() {
    let (mut a, at_a, mut b, at_b) = ends();
    let message = sealed(&mut a, &at_a);
    let later = NOW + seconds(61);
    let error = at_b.accept(&message, NOBODY, &mut b.nonces, later).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReplayDetected);
    let (entity, key) = (a.me.entity().clone(), *a.me.public_key());
    let restarted = Sessionless::new(&b.me, entity, key, NOW.timestamp + seconds(1));
    let error = restarted.accept(&message, NOBODY, &mut b.nonces, NOW + seconds(2)).unwrap_err();
    assert_eq!(error, ReplayError::Forgotten.into());
    assert!(b.nonces.is_empty());
    // Some peers cut their timestamps to whole seconds.
    let cut = Duration::from_millis(NOW.timestamp.as_millis() % 1_000);
    for (before, fine) in [(cut + MILLISECOND, false), (cut, true)] {
        let then = Now { timestamp: NOW.timestamp - before, ..NOW };
        let message = at_a.seal("task", Object::new(), then, &mut a.rng).unwrap();
        assert_eq!(at_b.accept(&message, NOBODY, &mut b.nonces, NOW).is_ok(), fine);
        assert_eq!(b.nonces.is_empty(), !fine);
    }
}

#[test]
fn what_is_forged_or_for_others_is_refused_and_changes_nothing() {
    let (mut a, at_a, mut b, at_b) = ends();
    let message = sealed(&mut a, &at_a);
    let mut refused = |message: &Message, code: ErrorCode| {
        let error = at_b.accept(message, NOBODY, &mut b.nonces, NOW).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    };
    refused(&resign(&message, &identity("entity_a", 9), |_| {}), ErrorCode::InvalidSignature);
    refused(&tamper(&message, "msg_type", "report"), ErrorCode::InvalidSignature);
    refused(&tamper(&message, "sender_id", "mallory"), ErrorCode::InvalidSignature);
    refused(&tamper(&message, "recipient_id", "carol"), ErrorCode::InvalidSignature);
    refused(&tamper(&message, "recipient_id", Value::Null), ErrorCode::InvalidSignature);
    refused(&tamper(&message, "encrypted_payload", "x"), ErrorCode::DecryptionFailed);
    refused(
        &resign(&message, &a.me, |content| "handshake".clone_into(&mut content.msg_type)),
        ErrorCode::InvalidState,
    );
    assert!(b.nonces.is_empty());

    let carol: EntityId = "carol".parse().unwrap();
    let forwarded = tamper(&message, "recipient_id", "carol");
    at_b.accept(&forwarded, &|other| *other == carol, &mut b.nonces, NOW).unwrap();
}

#[test]
fn a_session_takes_messages_for_others_only_where_it_passes_them_on() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let message = session_a.seal("task", Object::new(), NOW, &mut a.rng).unwrap();
    let forwarded = tamper(&message, "recipient_id", "carol");
    let error = session_b.accept(&forwarded, &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::Recipient);
    let carol: EntityId = "carol".parse().unwrap();
    session_b.accept_for(&forwarded, &|other| *other == carol, &mut b.nonces, NOW).unwrap();
}
