//! Version 1.0 against the original implementation: its signed messages, and what Python prints.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Message, Number, Object, Value, canonical};
use proptest::prelude::*;

const SIGNED: &[u8] = include_bytes!("vectors/v1_0_signed_messages.json");
const CANONICAL: &[u8] = include_bytes!("vectors/v1_0_canonical_json.json");

struct Vector {
    key: PublicKey,
    private_key: Option<[u8; 32]>,
    valid: bool,
    json: String,
}

impl Vector {
    fn message(&self) -> Message {
        Message::parse(self.json.as_bytes()).unwrap()
    }
}

fn hex32(value: &serde_json::Value) -> Option<[u8; 32]> {
    hex::decode(value.as_str()?).unwrap().try_into().ok()
}

fn vectors() -> Vec<Vector> {
    let file: serde_json::Value = serde_json::from_slice(SIGNED).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().map(|vector| Vector {
        key: PublicKey::from_bytes(&hex32(&vector["public_key_hex"]).unwrap()).unwrap(),
        private_key: hex32(&vector["private_key_hex"]),
        valid: vector["valid"].as_bool().unwrap(),
        json: vector["message_json"].as_str().unwrap().to_owned(),
    });
    vectors.collect()
}

fn object(json: &str) -> Object {
    match Value::parse(json.as_bytes(), usize::MAX).unwrap() {
        Value::Object(object) => object,
        other => panic!("not an object: {other:?}"),
    }
}

fn rows(name: &str) -> Vec<[String; 2]> {
    let mut file: serde_json::Value = serde_json::from_slice(CANONICAL).unwrap();
    serde_json::from_value(file[name].take()).unwrap()
}

#[test]
fn legacy_vectors_verify_as_the_original_says() {
    let vectors = vectors();
    assert_eq!(vectors.iter().filter(|vector| vector.valid).count(), 26);
    assert_eq!(vectors.iter().filter(|vector| !vector.valid).count(), 6);
    for vector in &vectors {
        assert_eq!(vector.message().verify(&vector.key).is_ok(), vector.valid, "{}", vector.json);
    }
}

#[test]
fn legacy_signing_again_gives_the_same_bytes() {
    for vector in vectors().iter().filter(|vector| vector.valid) {
        let message = vector.message();
        let sender = message.content().sender_id.clone();
        let seed = vector.private_key.unwrap();
        let authenticator = Arc::new(Ed25519Authenticator::from_seed(&seed));
        let identity = Identity::new(Some(sender), authenticator).unwrap();
        assert_eq!(message.content().clone().sign(&identity), message);
    }
}

#[test]
fn legacy_serialising_keeps_every_field() {
    for vector in vectors() {
        let message = vector.message();
        let bytes = message.to_bytes();
        // Nothing is lost: the original's own JSON, once canonical, is the same.
        let original = canonical(&Value::Object(object(&vector.json)));
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), original);
        assert_eq!(Message::parse(&bytes), Ok(message));
    }
}

#[test]
fn legacy_every_signed_field_is_under_the_signature() {
    for vector in vectors().iter().filter(|vector| vector.valid) {
        let genuine = object(&vector.json);
        for (field, value) in [
            ("msg_type", Value::from("other")),
            ("nonce", Value::from("AAAAAAAAAAAAAAAAAAAAAA==")),
            ("payload", Value::Object(Object::from([("other".to_owned(), Value::Null)]))),
            ("sender_id", Value::from("mallory")),
            ("timestamp", Value::Number(Number::from(1_770_000_000_u64))),
        ] {
            let mut bent = genuine.clone();
            assert_ne!(bent.insert(field.to_owned(), value.clone()), Some(value));
            let bent = canonical(&Value::Object(bent));
            let message = Message::parse(bent.as_bytes()).unwrap();
            assert!(message.verify(&vector.key).is_err(), "{field}: {bent}");
        }
        let mut bent = genuine.clone();
        bent.insert("version".to_owned(), Value::from("1.1"));
        assert!(Message::parse(canonical(&Value::Object(bent)).as_bytes()).is_err());
    }
}

#[test]
fn legacy_unsigned_fields_are_known_to_be_unsigned() {
    let vector = &vectors()[0];
    for field in ["recipient_id", "session_id", "sequence_num", "sender_public_key", "jwt_token"] {
        let mut bent = object(&vector.json);
        bent.insert(field.to_owned(), Value::Null);
        let message = Message::parse(canonical(&Value::Object(bent)).as_bytes()).unwrap();
        message.verify(&vector.key).unwrap();
    }
}

#[test]
fn legacy_integer_and_float_timestamps_sign_differently() {
    // The first vector's timestamp is 1770805427.0.
    let vector = &vectors()[0];
    let json = vector.json.replacen("1770805427.0", "1770805427", 1);
    assert_ne!(json, vector.json);
    assert!(Message::parse(json.as_bytes()).unwrap().verify(&vector.key).is_err());
    let json = vector.json.replacen("1770805427.0", "1.770805427e9", 1);
    Message::parse(json.as_bytes()).unwrap().verify(&vector.key).unwrap();
}

#[test]
fn legacy_floats_print_as_python_prints_them() {
    let floats = rows("floats");
    assert!(floats.len() > 2000);
    for [bits, printed] in floats {
        let value = f64::from_bits(u64::from_str_radix(&bits, 16).unwrap());
        assert_eq!(Number::float(value).unwrap().to_string(), printed, "{bits}");
        let read = Value::parse(printed.as_bytes(), usize::MAX).unwrap();
        assert!(matches!(read, Value::Number(n) if n.as_f64().to_bits() == value.to_bits()));
    }
}

#[test]
fn legacy_values_print_as_python_prints_them() {
    let values = rows("values");
    assert!(values.len() > 800);
    for [json, printed] in values {
        let value = Value::parse(json.as_bytes(), usize::MAX).unwrap();
        assert_eq!(canonical(&value), printed, "{json}");
    }
}

/// Values of every kind, nested a little.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        any::<f64>().prop_filter_map("finite", |f| Number::float(f).ok().map(Value::Number)),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..8).prop_map(Value::Object),
        ]
    })
}

/// Text that is nearly a message.
fn nearly_a_message() -> impl Strategy<Value = String> {
    let json = vectors().swap_remove(0).json;
    let range = 0..json.chars().count();
    (range, any::<char>(), any::<bool>()).prop_map(move |(at, character, insert)| {
        let mut text: Vec<char> = json.chars().collect();
        if insert {
            text.insert(at, character);
        } else {
            text[at] = character;
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn legacy_arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Message::parse(&bytes);
        let _ = Value::parse(&bytes, MAX_MESSAGE_LEN);
    }

    #[test]
    fn legacy_arbitrary_json_like_text_never_panics(text in "[\\[\\]{}:,\"\\\\0-9eE.+\\-a-fu ]{0,64}") {
        let ours = Value::parse(text.as_bytes(), MAX_MESSAGE_LEN);
        // Whatever passes here is JSON to others too.
        if ours.is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn legacy_damaged_messages_never_panic_and_never_lie(text in nearly_a_message()) {
        let vector = vectors().swap_remove(0);
        if let Ok(message) = Message::parse(text.as_bytes()) {
            let bytes = message.to_bytes();
            prop_assert_eq!(&Message::parse(&bytes).unwrap(), &message);
            // If the signature still holds, what it covers is still the same.
            if message.verify(&vector.key).is_ok() {
                prop_assert_eq!(message.signing_bytes(), vector.message().signing_bytes());
            }
        }
    }

    #[test]
    fn legacy_parsing_what_was_printed_is_stable(value in any_value()) {
        let printed = canonical(&value);
        prop_assert!(printed.is_ascii());
        let read = Value::parse(printed.as_bytes(), usize::MAX).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&printed).is_ok());
        prop_assert_eq!(canonical(&read), printed);
    }

    #[test]
    fn legacy_messages_survive_the_wire(
        payload in prop::collection::btree_map(any::<String>(), any_value(), 0..6),
        encrypted in any_value(),
        nonce: [u8; 16],
        sequence_num: Option<u64>,
        jwt_token: Option<String>,
        seconds in 0.0..4e9_f64,
    ) {
        let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[7; 32]));
        let identity = Identity::new(None, authenticator).unwrap();
        let content = peer_protocol::legacy::Unsigned {
            msg_type: "task".to_owned(),
            sender_id: identity.entity().clone(),
            recipient_id: Some("エンティティ".parse::<EntityId>().unwrap()),
            session_id: None,
            sequence_num,
            timestamp: Number::float(seconds).unwrap(),
            nonce,
            payload,
            encrypted_payload: Some(encrypted).filter(|value| *value != Value::Null),
            sender_public_key: None,
            jwt_token,
        };
        let message = content.sign(&identity);
        let bytes = message.to_bytes();
        prop_assume!(bytes.len() <= MAX_MESSAGE_LEN);
        let read = Message::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(read.to_bytes(), bytes);
        read.verify(identity.public_key()).unwrap();
    }
}
