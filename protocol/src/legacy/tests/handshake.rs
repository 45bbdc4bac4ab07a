//! The handshake against delay, replay, reordering, reflection and forgery.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::error::ErrorCode;
use crate::legacy::{ClockSkew, ReplayError, State};

#[test]
fn yields_one_session_on_both_sides() {
    let (mut a, b, mut initiator, handshake, mut responder, ack) = half_way();
    assert_eq!(initiator.state(), State::HandshakeSent);
    assert_eq!(responder.state(), State::HandshakeSent);
    assert_eq!(
        b.trust.level(a.me.entity(), a.me.public_key()),
        None,
        "nothing is recorded before the proof"
    );

    let last_moment = stalled(seconds(10));
    let (session_a, confirm) = a.handle_ack(&mut initiator, &ack, last_moment).unwrap();
    let session_b = responder.handle_confirm(&confirm, &b.trust, last_moment).unwrap();
    assert_eq!(initiator.state(), State::Active);
    assert_eq!(responder.state(), State::Active);
    assert_eq!(session_a.id(), session_b.id());
    assert_eq!(session_a.id(), responder.session_id());
    assert_eq!(session_a.id().get_version_num(), 4);
    assert_eq!(session_a.peer(), b.me.entity());
    assert_eq!(session_b.peer(), a.me.entity());
    assert_eq!(session_a.peer_key(), b.me.public_key());
    assert_eq!(session_b.peer_key(), a.me.public_key());
    assert_eq!(a.trust.level(b.me.entity(), b.me.public_key()), Some(TrustLevel::Seen));
    assert_eq!(b.trust.level(a.me.entity(), a.me.public_key()), Some(TrustLevel::Seen));

    for message in [&handshake, &ack, &confirm] {
        assert_eq!(Message::parse(&message.to_bytes()).as_ref(), Ok(message));
        assert_eq!(message.content().sequence_num, None);
    }
    assert_eq!(handshake.content().session_id, None);
}

#[test]
fn a_replayed_handshake_is_refused() {
    let (mut a, mut b) = sides();
    let (_, handshake) = a.start("エンティティ").unwrap();
    b.accept(&handshake, NOW).unwrap();
    let error = b.accept(&handshake, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Replay(ReplayError::Seen));
    assert_eq!(error.code(), ErrorCode::ReplayDetected);
}

#[test]
fn a_replayed_ack_answers_another_challenge() {
    let (mut a, b, _, _, _, old_ack) = half_way();
    let (mut initiator, _) = a.start("エンティティ").unwrap();
    let error = a.handle_ack(&mut initiator, &old_ack, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::ChallengeInvalid);
    assert_eq!(error.code(), ErrorCode::ChallengeInvalid);
    assert_eq!(initiator.state(), State::HandshakeSent);
    assert_eq!(a.trust.level(b.me.entity(), b.me.public_key()), None);
}

#[test]
fn a_replayed_confirm_answers_another_challenge() {
    let (mut a, mut b, mut initiator, _, mut responder, ack) = half_way();
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    responder.handle_confirm(&confirm, &b.trust, NOW).unwrap();
    assert_eq!(
        responder.handle_confirm(&confirm, &b.trust, NOW).unwrap_err().code(),
        ErrorCode::InvalidState
    );

    let (_, handshake) = a.start("エンティティ").unwrap();
    let (mut second, _) = b.accept(&handshake, NOW).unwrap();
    let error = second.handle_confirm(&confirm, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::SessionId);
    // Even an initiator that takes over the session id has to answer the new challenge.
    let session_id = second.session_id();
    let moved = resign(&confirm, &a.me, |content| {
        content.session_id = Some(session_id);
        content.payload.insert("session_id".into(), session_id.to_string().into());
    });
    let error = second.handle_confirm(&moved, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::ChallengeInvalid);
    assert_eq!(second.state(), State::HandshakeSent);
}

#[test]
fn messages_out_of_order_are_refused() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    let wrong = |error: HandshakeError| {
        assert!(matches!(error, HandshakeError::MsgType { .. }), "{error}");
        assert_eq!(error.code(), ErrorCode::InvalidState);
    };
    wrong(responder.handle_confirm(&handshake, &b.trust, NOW).unwrap_err());
    wrong(a.accept(&ack, NOW).unwrap_err());
    wrong(a.handle_ack(&mut initiator, &handshake, NOW).unwrap_err());
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    wrong(b.accept(&confirm, NOW).unwrap_err());
    let error = a.handle_ack(&mut initiator, &ack, NOW).unwrap_err();
    let expected = "handshake_ack";
    assert_eq!(error, HandshakeError::State { state: State::Active, expected });
    responder.handle_confirm(&confirm, &b.trust, NOW).unwrap();
}

#[test]
fn reflected_messages_are_refused() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    b.nonces = NonceMemory::default();
    assert_eq!(a.start("entity_a").unwrap_err(), HandshakeError::Reflected);
    let derived = EntityId::derived(a.me.public_key());
    assert_eq!(a.start(derived.as_str()).unwrap_err(), HandshakeError::Reflected);

    let to_self = tamper(&handshake, "recipient_id", "entity_a");
    assert_eq!(a.accept(&to_self, NOW).unwrap_err(), HandshakeError::Reflected);
    let back = resign(&ack, &a.me, |content| {
        content.sender_id = a.me.entity().clone();
        content.recipient_id = Some(a.me.entity().clone());
    });
    let error = a.handle_ack(&mut initiator, &back, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Reflected);

    // Its own key under another name.
    let renamed = resign(&handshake, &b.me, |content| {
        content.payload.insert("public_key".into(), text(&ack, "public_key").into());
        content.sender_public_key = None;
    });
    assert_eq!(b.accept(&renamed, NOW).unwrap_err(), HandshakeError::Reflected);

    // An answer to one challenge is no answer to the other, though both sides sign both.
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let echo = resign(&confirm, &a.me, |content| {
        content
            .payload
            .insert("challenge_response".into(), text(&ack, "challenge_response").into());
    });
    let error = responder.handle_confirm(&echo, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::ChallengeInvalid);
}

/// The bytes of an answer, put together from the documentation alone.
fn answer_bytes(label: &str, challenge: &Message, signer: &str, verifier: &str) -> Vec<u8> {
    let challenge = STANDARD.decode(text(challenge, "challenge")).unwrap();
    let mut bytes = [label.as_bytes(), &challenge].concat();
    for entity in [signer, verifier] {
        bytes.extend([0, u8::try_from(entity.len()).unwrap()]);
        bytes.extend(entity.as_bytes());
    }
    bytes
}

#[test]
fn an_answer_names_both_sides_and_its_role() {
    let (mut a, b, mut initiator, handshake, mut responder, ack) = half_way();
    let (name_a, name_b) = ("entity_a", "エンティティ");
    let answered = |message: &Message, signer: &Identity, bytes: &[u8]| {
        let answer = STANDARD.encode(signer.sign(bytes));
        resign(message, signer, |content| {
            content.payload.insert("challenge_response".into(), answer.into());
        })
    };
    let label = "peer-v1.0-handshake-ack";
    for wrong in [
        answer_bytes("peer-v1.0-handshake-confirm", &handshake, name_b, name_a),
        answer_bytes("", &handshake, name_b, name_a),
        answer_bytes(label, &handshake, name_a, name_b),
        answer_bytes(label, &handshake, name_b, "entity_c"),
        answer_bytes(label, &handshake, "entity_c", name_a),
        answer_bytes(label, &ack, name_b, name_a),
    ] {
        let bent = answered(&ack, &b.me, &wrong);
        let error = a.handle_ack(&mut initiator, &bent, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::ChallengeInvalid);
    }
    let right = answered(&ack, &b.me, &answer_bytes(label, &handshake, name_b, name_a));
    let (_, confirm) = a.handle_ack(&mut initiator, &right, NOW).unwrap();

    let label = "peer-v1.0-handshake-confirm";
    for wrong in [
        answer_bytes("peer-v1.0-handshake-ack", &ack, name_a, name_b),
        answer_bytes(label, &ack, name_b, name_a),
        answer_bytes(label, &ack, name_a, "entity_c"),
        answer_bytes(label, &handshake, name_a, name_b),
    ] {
        let bent = answered(&confirm, &a.me, &wrong);
        let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::ChallengeInvalid);
    }
    let right = answered(&confirm, &a.me, &answer_bytes(label, &ack, name_a, name_b));
    responder.handle_confirm(&right, &b.trust, NOW).unwrap();
}

#[test]
fn messages_for_others_are_refused() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    for recipient in [Value::from("entity_c"), Value::Null] {
        let bent = tamper(&handshake, "recipient_id", recipient.clone());
        assert_eq!(b.accept(&bent, NOW).unwrap_err(), HandshakeError::Recipient);
        let bent = tamper(&ack, "recipient_id", recipient);
        let error = a.handle_ack(&mut initiator, &bent, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Recipient);
        assert_eq!(error.code(), ErrorCode::InvalidSignature);
    }
    // The id that its key derives means this entity too.
    let derived = EntityId::derived(a.me.public_key()).to_string();
    let (_, confirm) =
        a.handle_ack(&mut initiator, &tamper(&ack, "recipient_id", derived), NOW).unwrap();
    let bent = tamper(&confirm, "recipient_id", "entity_c");
    let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Recipient);
    responder.handle_confirm(&confirm, &b.trust, NOW).unwrap();
}

#[test]
fn a_third_party_cannot_take_over() {
    let (mut a, b, mut initiator, _, mut responder, ack) = half_way();
    let mallory = identity("mallory", 3);
    let expected = b.me.entity().clone();
    let bent = resign(&ack, &mallory, |content| {
        content.sender_id = mallory.entity().clone();
    });
    let error = a.handle_ack(&mut initiator, &bent, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Sender { expected });

    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let expected = a.me.entity().clone();
    let bent = resign(&confirm, &mallory, |content| {
        content.sender_id = mallory.entity().clone();
    });
    let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Sender { expected });
    assert_eq!(error.code(), ErrorCode::InvalidSignature);
    // Under the initiator's name, but with another key.
    let bent = resign(&confirm, &mallory, |content| {
        content.sender_public_key = None;
    });
    let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Signature(_)), "{error}");
    let bent = resign(&confirm, &mallory, |content| {
        let key = data_encoding::HEXLOWER.encode(mallory.public_key().as_bytes());
        content.sender_public_key = Some(key);
    });
    let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::UnexpectedKey { .. }), "{error}");
    responder.handle_confirm(&confirm, &b.trust, NOW).unwrap();
}

#[test]
fn a_bent_payload_breaks_the_signature() {
    let (mut a, mut b, mut initiator, handshake, _, ack) = half_way();
    let bend = |message: &Message| {
        let mut payload = message.content().payload.clone();
        payload.insert("challenge".into(), STANDARD.encode([0; 32]).into());
        tamper(message, "payload", Value::Object(payload))
    };
    b.nonces = NonceMemory::default();
    let error = b.accept(&bend(&handshake), NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Signature(_)), "{error}");
    assert!(b.nonces.is_empty(), "a refused message leaves nothing behind");
    let error = a.handle_ack(&mut initiator, &bend(&ack), NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Signature(_)), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidSignature);
    b.accept(&handshake, NOW).unwrap();
    a.handle_ack(&mut initiator, &ack, NOW).unwrap();
}

#[test]
fn late_messages_are_refused() {
    let (mut a, b, mut initiator, _, mut responder, ack) = half_way();
    assert_eq!(initiator.deadline(), NOW.instant + seconds(10));
    assert_eq!(responder.deadline(), NOW.instant + seconds(10));
    let late = stalled(seconds(10) + MILLISECOND);
    let last = stalled(seconds(30));
    assert_eq!(a.handle_ack(&mut initiator, &ack, last).unwrap_err(), HandshakeError::TimedOut);
    let stale = stalled(seconds(30) + MILLISECOND);
    let error = a.handle_ack(&mut initiator, &ack, late).unwrap_err();
    assert_eq!(error, HandshakeError::TimedOut);
    assert_eq!(error.code(), ErrorCode::ChallengeExpired);
    let error = a.handle_ack(&mut initiator, &ack, stale).unwrap_err();
    assert_eq!(error, HandshakeError::ChallengeExpired);

    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let error = responder.handle_confirm(&confirm, &b.trust, late).unwrap_err();
    assert_eq!(error, HandshakeError::TimedOut);
    let error = responder.handle_confirm(&confirm, &b.trust, stale).unwrap_err();
    assert_eq!(error, HandshakeError::ChallengeExpired);
    assert_eq!(error.code(), ErrorCode::ChallengeExpired);
}

#[test]
fn skewed_clocks_are_refused() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    b.nonces = NonceMemory::default();
    let at = |timestamp| Now { instant: NOW.instant, timestamp };
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let (mut initiator, _) = a.start("エンティティ").unwrap();
    for now in [
        at(NOW.timestamp + seconds(60) + MILLISECOND),
        at(NOW.timestamp - seconds(60) - MILLISECOND),
    ] {
        let distance = seconds(60) + MILLISECOND;
        let error = HandshakeError::Clock(ClockSkew { distance });
        assert_eq!(error.code(), ErrorCode::ReplayDetected);
        assert_eq!(b.accept(&handshake, now).unwrap_err(), error);
        assert_eq!(a.handle_ack(&mut initiator, &ack, now).unwrap_err(), error);
        assert_eq!(responder.handle_confirm(&confirm, &b.trust, now).unwrap_err(), error);
    }
    b.accept(&handshake, at(NOW.timestamp + seconds(60))).unwrap();
}
