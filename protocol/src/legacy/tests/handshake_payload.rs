//! What stands inside handshake messages.

use super::*;
use crate::error::ErrorCode;

#[test]
fn payloads_are_as_documented() {
    let (mut a, _, mut initiator, handshake, _, ack) = half_way();
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let keys =
        |message: &Message| message.content().payload.keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&handshake), "challenge handshake_type public_key supported_versions");
    assert_eq!(
        keys(&ack),
        "accepted_version challenge challenge_response handshake_type public_key session_id"
    );
    assert_eq!(keys(&confirm), "challenge_response handshake_type session_id");
    assert_eq!(
        text(&handshake, "public_key"),
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    );
}

#[test]
fn another_session_id_is_refused() {
    let (mut a, b, mut initiator, _, mut responder, ack) = half_way();
    let other = "78e51061-7311-48a3-82ce-6f447ed4d57b";
    for id in [Value::from(other), Value::Null] {
        let error = a.handle_ack(&mut initiator, &tamper(&ack, "session_id", id), NOW).unwrap_err();
        assert_eq!(error, HandshakeError::SessionId);
        assert_eq!(error.code(), ErrorCode::SessionNotFound);
    }
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    for id in [Value::from(other), Value::Null] {
        let bent = tamper(&confirm, "session_id", id);
        let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::SessionId);
    }
    let bent = resign(&confirm, &a.me, |content| {
        content.payload.insert("session_id".into(), other.into());
    });
    let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::SessionId);
}

#[test]
fn malformed_payloads_are_refused() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    b.nonces = NonceMemory::default();
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let (mut initiator, _) = a.start("エンティティ").unwrap();
    let short = Value::from("AAAA");
    for (field, value) in [
        ("handshake_type", Value::from("response")),
        ("challenge", short.clone()),
        ("supported_versions", "1.0".into()),
    ] {
        let bent = resign(&handshake, &a.me, |content| {
            content.payload.insert(field.into(), value);
        });
        let error = b.accept(&bent, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Payload { field });
        assert_eq!(error.code(), ErrorCode::InvalidVersion);
    }
    for (field, value) in [
        ("handshake_type", Value::from("initiate")),
        ("challenge", short.clone()),
        ("challenge_response", short.clone()),
        ("session_id", "78e51061-7311-18a3-82ce-6f447ed4d57b".into()),
        ("accepted_version", Value::Null),
    ] {
        let bent = resign(&ack, &b.me, |content| {
            content.payload.insert(field.into(), value);
        });
        let error = a.handle_ack(&mut initiator, &bent, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Payload { field });
    }
    for (field, value) in [
        ("handshake_type", "initiate".into()),
        ("challenge_response", short),
        ("session_id", Value::Null),
    ] {
        let bent = resign(&confirm, &a.me, |content| {
            content.payload.insert(field.into(), value);
        });
        let error = responder.handle_confirm(&bent, &b.trust, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Payload { field });
    }
}

#[test]
fn other_versions_are_refused() {
    let (mut a, mut b, mut initiator, handshake, _, ack) = half_way();
    b.nonces = NonceMemory::default();
    let bent = resign(&handshake, &a.me, |content| {
        content.payload.insert("supported_versions".into(), Value::Array(vec!["1.1".into()]));
    });
    let error = b.accept(&bent, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Version);
    assert_eq!(error.code(), ErrorCode::InvalidVersion);
    let bent = resign(&ack, &b.me, |content| {
        content.payload.insert("accepted_version".into(), "1.1".into());
    });
    assert_eq!(a.handle_ack(&mut initiator, &bent, NOW).unwrap_err(), HandshakeError::Version);
}
