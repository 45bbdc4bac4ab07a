//! Error envelopes: all sixteen codes, as a node sends them outside any session.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::envelope::{Envelope, EnvelopeKind};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::Config;
use peer_protocol::identity::Identity;
use peer_protocol::link::{ExchangeId, Link, LinkConfig, Transmit};
use peer_protocol::message::{Body, ErrorReport, MessageKind};
use peer_protocol::rate_limit::RateLimited;

use super::format::{ErrorEnvelope, Hex};
use super::handshake::six_steps;
use super::inputs::{CLOCK, bytes, derived_id, public_key, short};
use super::{about, checked, reproduce};
use crate::rig::Trust;
use crate::wire::{Item, Map, error_letter, signature_input};

const CODES: [&str; 16] = [
    "INVALID_VERSION",
    "INVALID_SIGNATURE",
    "REPLAY_DETECTED",
    "SESSION_EXPIRED",
    "SEQUENCE_ERROR",
    "DECRYPTION_FAILED",
    "CHALLENGE_EXPIRED",
    "CHALLENGE_INVALID",
    "HANDSHAKE_IN_PROGRESS",
    "SESSION_NOT_FOUND",
    "ENCRYPTION_NOT_READY",
    "INVALID_STATE",
    "ENCRYPTION_REQUIRED",
    "RATE_LIMITED",
    "CHUNK_ERROR",
    "DHT_ERROR",
];

fn vector(place: usize, code: &str) -> ErrorEnvelope {
    let limited = code == "RATE_LIMITED";
    let detail =
        if limited { "over the rate limit; try again in 1500 ms" } else { "what went wrong" };
    let retry_after_ms = limited.then_some(1501);
    // What could not even be read has no nonce to refer to.
    let refused = &six_steps()[0].messages[0];
    let in_reply_to = (code != "INVALID_VERSION").then(|| refused.nonce.clone());
    let sender_seed = bytes("identity of entity_b");
    let recipient_public_key = public_key(&bytes("identity of entity_a"));
    let recipient_id = derived_id(&recipient_public_key);
    let timestamp = CLOCK + place as u64;
    let nonce = short(&format!("nonce of {code}"));
    let mut body = Map::from([("code", Item::text(code)), ("detail", Item::text(detail))]);
    if let Some(nonce) = &in_reply_to {
        body.set("in_reply_to", Item::bytes(&nonce.0));
    }
    if let Some(millis) = retry_after_ms {
        body.set("retry_after_ms", Item::Uint(millis));
    }
    let header = Map::from([
        ("sender_id", Item::text("entity_b")),
        ("recipient_id", Item::text(recipient_id.as_str())),
        ("timestamp", Item::Uint(timestamp)),
        ("nonce", Item::bytes(nonce)),
    ]);
    let letter = error_letter(header, &body);
    let key = SigningKey::from_bytes(&sender_seed);
    let input = signature_input(&letter.unsigned());
    ErrorEnvelope {
        code: code.to_owned(),
        detail: detail.to_owned(),
        in_reply_to,
        retry_after_ms,
        sender_id: "entity_b".to_owned(),
        sender_seed: Hex::of(sender_seed),
        sender_public_key: Hex::of(public_key(&sender_seed)),
        recipient_id,
        recipient_public_key: Hex::of(recipient_public_key),
        timestamp,
        nonce: Hex::of(nonce),
        body: Hex(body.encode()),
        signature: Hex::of(key.sign(&input).to_bytes()),
        signature_input: Hex(input),
        envelope: Hex(letter.signed(&key)),
    }
}

fn vectors() -> Vec<ErrorEnvelope> {
    CODES.iter().enumerate().map(|(place, code)| vector(place, code)).collect()
}

/// The crate's own error of this kind.
fn refused(vector: &ErrorEnvelope) -> Vec<u8> {
    let key = Arc::new(Ed25519Authenticator::from_seed(&vector.sender_seed.array()));
    let identity = Identity::new(Some(vector.sender_id.parse().unwrap()), key).unwrap();
    let config = Arc::new(LinkConfig::new(Config::new(identity)));
    let peer = PublicKey::from_bytes(&vector.recipient_public_key.array()).unwrap();
    let tape = reproduce::Tape::new([&vector.nonce]);
    let mut link = Link::new(config, Arc::new(Trust::default()), peer, Box::new(tape));
    let e1 = six_steps()[0].messages[0].envelope.0.clone();
    let refused = vector.in_reply_to.as_ref().map(|_| Envelope::decode(e1).unwrap());
    let (exchange, now) = (ExchangeId(0), reproduce::now(vector.timestamp));
    match (vector.retry_after_ms, &refused) {
        (Some(millis), Some(refused)) => {
            let retry_after = Duration::from_millis(millis - 1);
            link.refuse_for_now(exchange, refused, RateLimited { retry_after }, now);
        }
        _ => {
            let code: ErrorCode = vector.code.parse().unwrap();
            link.refuse(exchange, refused.as_ref(), code, &vector.detail, now);
        }
    }
    match link.poll_transmit() {
        Some(Transmit::Answer { envelope, .. }) => envelope,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn error_envelope_vectors_hold() {
    let all = checked("error_envelopes.json", about::ERRORS, vectors);
    assert_eq!(all, vectors(), "recomputed from primitives");
    assert_eq!(ErrorCode::ALL.map(ErrorCode::as_str), CODES);
    for vector in &all {
        assert_eq!(Hex::of(refused(vector)), vector.envelope, "{}", vector.code);
        let envelope = Envelope::decode(vector.envelope.0.clone()).unwrap();
        assert_eq!(envelope.header().kind, EnvelopeKind::Error);
        let key = PublicKey::from_bytes(&vector.sender_public_key.array()).unwrap();
        envelope.verify(&key).unwrap();
        let report = Body::decode(MessageKind::Error, envelope.payload()).unwrap();
        let expected = ErrorReport {
            code: vector.code.parse().unwrap(),
            detail: vector.detail.clone(),
            in_reply_to: vector.in_reply_to.as_ref().map(Hex::array),
            retry_after_ms: vector.retry_after_ms,
        };
        assert_eq!(report, Body::Error(expected));
    }
}
