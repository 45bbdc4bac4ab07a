//! Sessions against replay, renumbering, redirection and age.

use super::*;
use crate::error::ErrorCode;
use crate::legacy::{
    ClockSkew, MAX_MESSAGE_LEN, MessageError, ReplayError, SessionError, State, ValueError,
};

fn hello() -> Object {
    payload(r#"{"message":"hello"}"#)
}

fn seal(side: &mut Side, session: &mut Session, now: Now) -> Message {
    session.seal("task", hello(), now, &mut side.rng).unwrap()
}

fn number(value: u64) -> Value {
    Value::Number(value.into())
}

#[test]
fn carries_messages_both_ways() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    for expected in 0..3 {
        let message = seal(&mut a, &mut session_a, NOW);
        let message = Message::parse(&message.to_bytes()).unwrap();
        let content = session_b.accept(&message, &mut b.nonces, NOW).unwrap();
        assert_eq!(content.sequence_num, Some(expected));
        assert_eq!(content.session_id, Some(session_a.id()));
        assert_eq!(content.payload, hello());
        assert_eq!(content.msg_type, "task");

        let message = seal(&mut b, &mut session_b, NOW);
        let content = session_a.accept(&message, &mut a.nonces, NOW).unwrap();
        assert_eq!(content.sequence_num, Some(expected));
    }
}

#[test]
fn numbers_only_rise_and_gaps_are_no_matter() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let messages: Vec<_> = (0..4).map(|_| seal(&mut a, &mut session_a, NOW)).collect();
    session_b.accept(&messages[0], &mut b.nonces, NOW).unwrap();
    session_b.accept(&messages[2], &mut b.nonces, NOW).unwrap();
    let error = session_b.accept(&messages[1], &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::SequenceNumber { number: 1, last: 2 });
    assert_eq!(error.code(), ErrorCode::SequenceError);
    let reused = resign(&messages[3], &a.me, |content| {
        content.sequence_num = Some(2);
    });
    let error = session_b.accept(&reused, &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::SequenceNumber { number: 2, last: 2 });
    session_b.accept(&messages[3], &mut b.nonces, NOW).unwrap();

    let none = tamper(&seal(&mut a, &mut session_a, NOW), "sequence_num", Value::Null);
    let error = session_b.accept(&none, &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::NoSequenceNumber);
    assert_eq!(error.code(), ErrorCode::SequenceError);

    let message = seal(&mut a, &mut session_a, NOW);
    let last = resign(&message, &a.me, |content| {
        content.sequence_num = Some(u64::MAX);
    });
    session_b.accept(&last, &mut b.nonces, NOW).unwrap();
    let message = seal(&mut a, &mut session_a, NOW);
    assert!(session_b.accept(&message, &mut b.nonces, NOW).is_err());
}

#[test]
fn a_renumbered_replay_is_refused() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let message = seal(&mut a, &mut session_a, NOW);
    session_b.accept(&message, &mut b.nonces, NOW).unwrap();
    // The number is not under the signature, so anyone can do this.
    let again = tamper(&message, "sequence_num", number(7));
    again.verify(a.me.public_key()).unwrap();
    let error = session_b.accept(&again, &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::Replay(ReplayError::Seen));
    assert_eq!(error.code(), ErrorCode::ReplayDetected);
}

#[test]
fn a_flood_of_nonces_opens_no_door() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    b.nonces = NonceMemory::new(8);
    let victim = seal(&mut a, &mut session_a, NOW);
    session_b.accept(&victim, &mut b.nonces, NOW).unwrap();
    let mut now = NOW;
    for _ in 0..20 {
        now = now + MILLISECOND;
        let message = seal(&mut a, &mut session_a, now);
        session_b.accept(&message, &mut b.nonces, now).unwrap();
        assert!(b.nonces.len() <= 8);
    }
    let again = tamper(&victim, "sequence_num", number(1000));
    let error = session_b.accept(&again, &mut b.nonces, now).unwrap_err();
    assert_eq!(error, SessionError::Replay(ReplayError::Forgotten));
}

#[test]
fn messages_of_an_earlier_session_do_not_pass() {
    let (mut a, mut session_a, mut b, _) = connected();
    let old = seal(&mut a, &mut session_a, NOW);
    let later = NOW + seconds(2);
    let (mut initiator, handshake) =
        Initiator::start(&a.me, b.me.entity(), later, &mut a.rng).unwrap();
    let (mut responder, ack) = b.accept(&handshake, later).unwrap();
    let (mut session_a, confirm) = a.handle_ack(&mut initiator, &ack, later).unwrap();
    let mut session_b = responder.handle_confirm(&confirm, &b.trust, later).unwrap();
    // Even a fresh memory does not help: the session id is not signed, but the time is.
    let mut nonces = NonceMemory::default();
    let moved = tamper(&old, "session_id", session_b.id().to_string());
    moved.verify(a.me.public_key()).unwrap();
    let error = session_b.accept(&moved, &mut nonces, later).unwrap_err();
    assert_eq!(error, SessionError::Replay(ReplayError::Forgotten));
    // A peer that cuts its timestamps to seconds is not shut out.
    let message = seal(&mut a, &mut session_a, later);
    let cut = resign(&message, &a.me, |content| {
        content.timestamp = (later.timestamp.as_millis() / 1000).into();
    });
    session_b.accept(&cut, &mut nonces, later).unwrap();
}

#[test]
fn a_failed_check_changes_nothing() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let message = seal(&mut a, &mut session_a, NOW);
    let known = b.nonces.len();
    let bend = |field: &str, value: Value| tamper(&message, field, value);
    let skew = seconds(61);
    let late = Now { instant: NOW.instant, timestamp: NOW.timestamp + skew };
    let early = Now { instant: NOW.instant, timestamp: NOW.timestamp - skew };
    let clock = SessionError::Clock(ClockSkew { distance: skew });
    let cases = [
        (
            bend("session_id", "78e51061-7311-48a3-82ce-6f447ed4d57b".into()),
            NOW,
            SessionError::SessionId,
        ),
        (bend("session_id", Value::Null), NOW, SessionError::SessionId),
        (
            bend("sender_id", "mallory".into()),
            NOW,
            SessionError::Sender { expected: a.me.entity().clone() },
        ),
        (bend("recipient_id", "mallory".into()), NOW, SessionError::Recipient),
        (bend("recipient_id", Value::Null), NOW, SessionError::Recipient),
        (bend("encrypted_payload", "AAAA".into()), NOW, SessionError::Encrypted),
        (message.clone(), late, clock.clone()),
        (message.clone(), early, clock),
        (
            resign(&message, &identity("mallory", 3), |_| ()),
            NOW,
            SessionError::Signature(crate::crypto::BadSignature),
        ),
        (
            tamper(&bend("payload", Value::Object(Object::new())), "sequence_num", number(9)),
            NOW,
            SessionError::Signature(crate::crypto::BadSignature),
        ),
        (
            bend("msg_type", "report".into()),
            NOW,
            SessionError::Signature(crate::crypto::BadSignature),
        ),
    ];
    for (bent, now, expected) in cases {
        let error = session_b.accept(&bent, &mut b.nonces, now).unwrap_err();
        assert_eq!(error, expected);
        assert_eq!(b.nonces.len(), known);
    }
    session_b.accept(&message, &mut b.nonces, NOW).unwrap();
}

#[test]
fn codes_are_those_of_the_wire() {
    let peer: EntityId = "entity_a".parse().unwrap();
    for (error, code) in [
        (SessionError::SessionId, ErrorCode::SessionNotFound),
        (SessionError::Sender { expected: peer }, ErrorCode::InvalidSignature),
        (SessionError::Recipient, ErrorCode::InvalidSignature),
        (SessionError::Encrypted, ErrorCode::DecryptionFailed),
        (SessionError::Signature(crate::crypto::BadSignature), ErrorCode::InvalidSignature),
        (SessionError::Clock(ClockSkew { distance: MILLISECOND }), ErrorCode::ReplayDetected),
        (SessionError::Exhausted, ErrorCode::SequenceError),
    ] {
        assert_eq!(error.code(), code);
    }
}

#[test]
fn handshake_messages_have_no_place_here() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    for name in ["handshake", "handshake_ack", "handshake_confirm"] {
        let error = session_a.seal(name, hello(), NOW, &mut a.rng).unwrap_err();
        assert_eq!(error, SessionError::Handshake);
        let message = seal(&mut a, &mut session_a, NOW);
        let bent = resign(&message, &a.me, |content| {
            content.msg_type = name.to_owned();
        });
        let error = session_b.accept(&bent, &mut b.nonces, NOW).unwrap_err();
        assert_eq!(error, SessionError::Handshake);
        assert_eq!(error.code(), ErrorCode::InvalidState);
    }
}

#[test]
fn a_reflected_message_is_refused() {
    let (mut a, mut session_a, ..) = connected();
    let message = seal(&mut a, &mut session_a, NOW);
    let back = tamper(&message, "recipient_id", "entity_a");
    let error = session_a.accept(&back, &mut a.nonces, NOW).unwrap_err();
    assert!(matches!(error, SessionError::Sender { .. }), "{error}");
}

#[test]
fn ends_with_its_lifetime() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let before = NOW + (seconds(30 * 60) - MILLISECOND);
    let message = seal(&mut a, &mut session_a, before);
    session_b.accept(&message, &mut b.nonces, before).unwrap();
    assert_eq!(session_b.state(before.instant), State::Active);

    let message = seal(&mut a, &mut session_a, before);
    let after = NOW + seconds(30 * 60);
    assert_eq!(session_b.expires_at(), after.instant);
    assert_eq!(session_b.state(after.instant), State::Closed);
    let error = session_b.accept(&message, &mut b.nonces, after).unwrap_err();
    assert_eq!(error, SessionError::Expired);
    assert_eq!(error.code(), ErrorCode::SessionExpired);
    let error = session_a.seal("task", hello(), after, &mut a.rng).unwrap_err();
    assert_eq!(error, SessionError::Expired);
}

#[test]
fn states_have_the_names_of_the_original() {
    let all = [State::Init, State::HandshakeSent, State::Active, State::Closed];
    let names = ["INIT", "HANDSHAKE_SENT", "ACTIVE", "CLOSED"];
    assert_eq!(all.map(State::as_str), names);
    assert_eq!(all.map(|state| state.to_string()), names);
}

#[test]
fn closes_for_good() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let message = seal(&mut a, &mut session_a, NOW);
    session_b.close();
    assert_eq!(session_b.state(NOW.instant), State::Closed);
    let error = session_b.accept(&message, &mut b.nonces, NOW).unwrap_err();
    assert_eq!(error, SessionError::Closed);
    assert_eq!(error.code(), ErrorCode::InvalidState);
    let error = session_b.seal("task", hello(), NOW, &mut b.rng).unwrap_err();
    assert_eq!(error, SessionError::Closed);
}

#[test]
fn seals_nothing_that_a_peer_would_refuse() {
    let (mut a, mut session_a, mut b, mut session_b) = connected();
    let mut refuse =
        |name: &str, payload: Object| session_a.seal(name, payload, NOW, &mut a.rng).unwrap_err();
    assert_eq!(refuse("", hello()), MessageError::MsgType { len: 0 }.into());
    assert_eq!(refuse(&"x".repeat(65), hello()), MessageError::MsgType { len: 65 }.into());
    // The message and its payload are two levels already.
    let nest = |levels: usize| {
        let mut value = Value::Null;
        for _ in 0..levels {
            value = Value::Array(vec![value]);
        }
        Object::from([("deep".to_owned(), value)])
    };
    assert_eq!(refuse("task", nest(31)), ValueError::TooDeep.into());
    let many =
        |count: usize| Object::from([("many".into(), Value::Array(vec![Value::Null; count]))]);
    assert_eq!(refuse("task", many(8192 - 13)), ValueError::TooMany.into());
    let long = |len: usize| Object::from([("long".into(), Value::from("x".repeat(len)))]);
    let error = refuse("task", long(MAX_MESSAGE_LEN));
    assert!(matches!(error, SessionError::Value(ValueError::TooLong { .. })), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidVersion);

    // What is within the bounds arrives, and nothing above used a number.
    for payload in [nest(30), many(8192 - 14), long(64_000)] {
        let message = session_a.seal("task", payload, NOW, &mut a.rng).unwrap();
        let message = Message::parse(&message.to_bytes()).unwrap();
        session_b.accept(&message, &mut b.nonces, NOW).unwrap();
    }
    let next = seal(&mut a, &mut session_a, NOW);
    assert_eq!(next.content().sequence_num, Some(3));
    let frame = session_a.seal("task", long(0), NOW, &mut a.rng).unwrap().to_bytes().len();
    let longest = session_a.seal("task", long(MAX_MESSAGE_LEN - frame), NOW, &mut a.rng).unwrap();
    assert_eq!(longest.to_bytes().len(), MAX_MESSAGE_LEN);
    let refused = session_a.seal("task", long(MAX_MESSAGE_LEN - frame + 1), NOW, &mut a.rng);
    let (len, max) = (MAX_MESSAGE_LEN + 1, MAX_MESSAGE_LEN);
    assert_eq!(refused, Err(ValueError::TooLong { len, max }.into()));
}
