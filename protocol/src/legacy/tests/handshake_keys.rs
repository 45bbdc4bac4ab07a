//! Which key a handshake takes for the peer's, and who decides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::error::ErrorCode;

fn hex(key: &PublicKey) -> String {
    data_encoding::HEXLOWER.encode(key.as_bytes())
}

/// A `handshake` of `a` with these two keys, `null` or missing where there is none.
fn with_keys(a: &mut Side, inside: Option<&str>, outside: Option<&str>) -> Message {
    let (_, handshake) = a.start("エンティティ").unwrap();
    resign(&handshake, &a.me, |content| {
        match inside {
            Some(key) => content.payload.insert("public_key".into(), key.into()),
            None => content.payload.remove("public_key"),
        };
        content.sender_public_key = outside.map(str::to_owned);
    })
}

#[test]
fn either_place_and_either_case_will_do() {
    let (mut a, mut b) = sides();
    let key = hex(a.me.public_key());
    let upper = key.to_uppercase();
    let base64 = STANDARD.encode(a.me.public_key().as_bytes());
    for (inside, outside) in [
        (Some(key.as_str()), None),
        (None, Some(key.as_str())),
        (None, Some(base64.as_str())),
        (Some(key.as_str()), Some(upper.as_str())),
        (Some(upper.as_str()), Some(base64.as_str())),
    ] {
        let message = with_keys(&mut a, inside, outside);
        let (responder, _) = b.accept(&message, NOW).unwrap();
        assert_eq!(responder.peer(), a.me.entity());
    }
}

#[test]
fn a_key_outside_the_signature_must_equal_the_one_inside() {
    let (mut a, mut b) = sides();
    let key = hex(a.me.public_key());
    let other = hex(identity("mallory", 3).public_key());
    for (inside, outside) in [(&key, &other), (&other, &key)] {
        let message = with_keys(&mut a, Some(inside), Some(outside));
        let error = b.accept(&message, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::KeyConflict);
        assert_eq!(error.code(), ErrorCode::InvalidSignature);
    }
}

#[test]
fn the_signature_must_hold_under_the_key_shown() {
    let (mut a, mut b) = sides();
    let other = hex(identity("mallory", 3).public_key());
    for (inside, outside) in [(Some(other.as_str()), None), (None, Some(other.as_str()))] {
        let message = with_keys(&mut a, inside, outside);
        let error = b.accept(&message, NOW).unwrap_err();
        assert!(matches!(error, HandshakeError::Signature(_)), "{error}");
    }
    assert!(b.nonces.is_empty());
}

#[test]
fn without_a_key_only_an_expected_one_helps() {
    let (mut a, mut b) = sides();
    let message = with_keys(&mut a, None, None);
    assert_eq!(b.accept(&message, NOW).unwrap_err(), HandshakeError::NoPublicKey);
    b.expected = Some(*identity("mallory", 3).public_key());
    let error = b.accept(&message, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Signature(_)), "{error}");
    b.expected = Some(*a.me.public_key());
    b.accept(&message, NOW).unwrap();
}

#[test]
fn unreadable_and_unusable_keys_are_refused() {
    let (mut a, mut b) = sides();
    let key = hex(a.me.public_key());
    for bad in ["", "00", &key[1..], &format!("{key}00"), &"zz".repeat(32)] {
        let message = with_keys(&mut a, Some(bad), None);
        assert_eq!(b.accept(&message, NOW).unwrap_err(), HandshakeError::MalformedKey);
        let message = with_keys(&mut a, Some(&key), Some(bad));
        assert_eq!(b.accept(&message, NOW).unwrap_err(), HandshakeError::MalformedKey);
    }
    let (_, handshake) = a.start("エンティティ").unwrap();
    let message = resign(&handshake, &a.me, |content| {
        content.payload.insert("public_key".into(), Value::Null);
    });
    assert_eq!(b.accept(&message, NOW).unwrap_err(), HandshakeError::MalformedKey);
    // A point of small order.
    let weak = format!("01{}", "00".repeat(31));
    let message = with_keys(&mut a, Some(&weak), None);
    let error = b.accept(&message, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::UnusableKey(_)), "{error}");
}

#[test]
fn another_key_than_the_expected_one_is_refused() {
    let (mut a, mut b, mut initiator, handshake, _, ack) = half_way();
    b.nonces = NonceMemory::default();
    let mallory = *identity("mallory", 3).public_key();
    let unexpected = |offered: &Side| HandshakeError::UnexpectedKey {
        expected: Fingerprint::of(&mallory),
        offered: Fingerprint::of(offered.me.public_key()),
    };
    b.expected = Some(mallory);
    assert_eq!(b.accept(&handshake, NOW).unwrap_err(), unexpected(&a));
    a.expected = Some(mallory);
    let error = a.handle_ack(&mut initiator, &ack, NOW).unwrap_err();
    assert_eq!(error, unexpected(&b));
    assert_eq!(error.code(), ErrorCode::InvalidSignature);
    a.expected = Some(*b.me.public_key());
    a.handle_ack(&mut initiator, &ack, NOW).unwrap();
}

#[test]
fn the_trust_store_has_the_last_word() {
    let (mut a, mut b, mut initiator, handshake, mut responder, ack) = half_way();
    b.nonces = NonceMemory::default();
    let other = Fingerprint::of(identity("mallory", 3).public_key());

    // Known under another key.
    for (side, peer) in [(&a, &b), (&b, &a)] {
        let mut store = side.trust.0.lock().unwrap();
        store.pin(peer.me.entity().clone(), other, NOW.timestamp);
    }
    let error = b.accept(&handshake, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::KeyMismatch { .. })), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidSignature);
    assert!(error.to_string().contains(&other.to_string()));
    let error = a.handle_ack(&mut initiator, &ack, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::KeyMismatch { .. })), "{error}");

    // Strangers where only pinned entities may pass.
    for side in [&a, &b] {
        *side.trust.0.lock().unwrap() = TrustStore::new(TrustPolicy::PinnedOnly);
    }
    let error = b.accept(&handshake, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::NotPinned { .. })), "{error}");
    let error = a.handle_ack(&mut initiator, &ack, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::NotPinned { .. })), "{error}");

    // Revoked while the handshake was under way.
    *a.trust.0.lock().unwrap() = TrustStore::default();
    *b.trust.0.lock().unwrap() = TrustStore::default();
    let (_, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    b.trust.0.lock().unwrap().revoke(a.me.fingerprint());
    let error = responder.handle_confirm(&confirm, &b.trust, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::Revoked { .. })), "{error}");
}

#[test]
fn a_name_derived_from_another_key_is_refused() {
    let (mut a, mut b) = sides();
    let (_, handshake) = a.start("エンティティ").unwrap();
    let stolen = EntityId::derived(identity("mallory", 3).public_key());
    let message = resign(&handshake, &a.me, |content| content.sender_id = stolen);
    let error = b.accept(&message, NOW).unwrap_err();
    assert!(matches!(error, HandshakeError::Trust(TrustError::Id(_))), "{error}");
}
