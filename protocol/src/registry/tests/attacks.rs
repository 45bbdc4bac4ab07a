//! One test for each attack on a record, named for it.

use super::*;
use crate::error::ErrorCode;
use crate::identity::EntityIdError;

#[track_caller]
fn refused(bytes: &[u8], key: &Key, code: ErrorCode) -> RegistryError {
    let mut store = RecordStore::new(Place::of(b"own"), [0; 32], RecordStore::<u8>::LIMITS);
    let stored = store.put(Origin::Peer(1), key.as_bytes(), bytes, NOW);
    let error = verify(bytes, key).unwrap_err();
    assert_eq!(stored, Err(Refusal::Record(error.clone())));
    assert_eq!((store.len(), store.refusals().get(Reason::from(&error))), (0, 1));
    assert_eq!(Lookup::new(*key).feed(bytes, NOW), Err(error.clone()));
    assert_eq!(ErrorCode::from(&error), code, "{error}");
    error
}

#[test]
fn forged_signature() {
    let (own, other) = (identity("entity_a", 1), identity("entity_a", 2));
    let forged = Forger::new(&own).sign(&other);
    let error = refused(&forged, &key_of("entity_a"), ErrorCode::InvalidSignature);
    assert!(matches!(error, RegistryError::Signature(_)));
}

#[test]
fn signature_for_another_purpose() {
    let own = identity("entity_a", 1);
    let mut forger = Forger::new(&own);
    let message = [&b"peer-v1.1-envelope"[..], &sha256(&forger.bytes())].concat();
    let signature = own.sign(&message);
    forger.set("signature", |out| cbor::push_bytes(out, &signature));
    refused(&forger.bytes(), &key_of("entity_a"), ErrorCode::InvalidSignature);
}

#[test]
fn every_bit_of_a_record_counts() {
    let record = signed("entity_a", 1, NOW);
    for at in 0..record.len() {
        for bit in 0..8 {
            let mut spoilt = record.to_vec();
            spoilt[at] ^= 1 << bit;
            assert!(verify(&spoilt, &key_of("entity_a")).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn record_under_a_key_of_somebody_else() {
    let record = signed("entity_a", 1, NOW);
    let derived = |seed| EntityId::derived(identity("x", seed).public_key());
    for (key, fine) in [
        (key_of("entity_a"), true),
        (Key::of_entity(&derived(1)), true),
        (Key::of_capability(&name("entity_a"), &can("read")), true),
        (key_of("entity_b"), false),
        (Key::of_entity(&derived(2)), false),
        (Key::of_capability(&name("entity_a"), &can("fly")), false),
        (Key::of_capability(&name("entity_b"), &can("read")), false),
        (Key::of_capability(&derived(1), &can("read")), false),
        (Key::of_providers(&can("read"), &Shard::root()), false),
    ] {
        if fine {
            assert!(verify(&record, &key).is_ok());
        } else {
            let error = refused(&record, &key, ErrorCode::DhtError);
            assert_eq!(error, RegistryError::WrongKey { entity: name("entity_a") });
        }
    }
}

#[test]
fn id_that_is_reserved_for_another_key() {
    let victim = EntityId::derived(identity("x", 1).public_key());
    let thief = identity("thief", 2);
    let mut forger = Forger::new(&thief);
    forger.set("entity_id", |out| cbor::push_text(out, victim.as_str()));
    let forged = forger.sign(&thief);
    let error = refused(&forged, &Key::of_entity(&victim), ErrorCode::InvalidSignature);
    assert!(matches!(error, RegistryError::Entity(EntityIdError::Reserved { .. })));
    let mut record = record_of(&thief, NOW);
    record.entity = victim;
    assert!(matches!(record.sign(&thief), Err(RegistryError::Entity(_))), "nor is it signed");
}

#[test]
fn weak_public_key() {
    let own = identity("entity_a", 1);
    let mut forger = Forger::new(&own);
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    forger.set("public_key", |out| cbor::push_bytes(out, &identity_point));
    let forged = forger.sign(&own);
    let error = refused(&forged, &key_of("entity_a"), ErrorCode::InvalidSignature);
    assert!(matches!(error, RegistryError::PublicKey(_)));
}

#[test]
fn record_from_the_future() {
    let record = signed("entity_a", 1, NOW + Duration::from_millis(60_001));
    let error = refused(&record, &key_of("entity_a"), ErrorCode::DhtError);
    assert_eq!(error, RegistryError::Future { ahead: Duration::from_millis(60_001) });
    assert!(verify(&signed("entity_a", 1, NOW + 60 * SECOND), &key_of("entity_a")).is_ok());
}

#[test]
fn record_whose_life_is_over() {
    for record in
        [signed("entity_a", 1, NOW - RECORD_TTL), withdrawn("entity_a", 1, NOW - RECORD_TTL)]
    {
        let error = refused(&record, &key_of("entity_a"), ErrorCode::DhtError);
        assert_eq!(error, RegistryError::Expired { ago: Duration::ZERO });
    }
}

#[test]
fn life_that_is_too_long() {
    let own = identity("entity_a", 1);
    for secs in [86_401, u64::MAX] {
        let mut forger = Forger::new(&own);
        forger.number("ttl", secs);
        let error = refused(&forger.sign(&own), &key_of("entity_a"), ErrorCode::DhtError);
        assert_eq!(error, RegistryError::Ttl { secs });
    }
}

#[test]
fn oversized_record() {
    let own = identity("entity_a", 1);
    let mut forger = Forger::new(&own);
    forger.texts("addresses", &[&format!("/{}", "x".repeat(4096))]);
    let forged = forger.sign(&own);
    let error = refused(&forged, &key_of("entity_a"), ErrorCode::DhtError);
    assert_eq!(error, RegistryError::TooLong { len: forged.len() });
    let error = refused(&vec![0; 1 << 20], &key_of("entity_a"), ErrorCode::DhtError);
    assert_eq!(error, RegistryError::TooLong { len: 1 << 20 });
}

#[test]
fn second_encoding_of_the_same_record() {
    // The number 3600 in four bytes instead of two, signed over these very bytes.
    let own = identity("entity_a", 1);
    let mut forger = Forger::new(&own);
    forger.set("ttl", |out| out.extend_from_slice(&[0x1a, 0, 0, 0x0e, 0x10]));
    let error = refused(&forger.sign(&own), &key_of("entity_a"), ErrorCode::DhtError);
    assert!(matches!(error, RegistryError::Cbor(_)));
}
