//! Whole handshakes, computed by the second implementation.

use ed25519_dalek::{Signer as _, SigningKey};
use peer_protocol::handshake::HandshakeKind;

use super::format::{Challenge, Confirmation, FirstRecord, Handshake, Hex, Keys, Message, Party};
use super::inputs::{CLOCK, drawn, party, uuid_v4};
use super::{about, checked, reproduce};
use crate::wire::{
    Direction, Item, Keys as Schedule, Letter, Map, challenge_input, confirmation, record_nonce,
    seal, signature_input, transcript, x25519,
};

const AES: &str = "AES-256-GCM";
const CHACHA: &str = "ChaCha20-Poly1305";
const BLAKE3: &str = "AES-256-GCM-BLAKE3";
const LIFETIME: u64 = 1_800_000;
const CHALLENGE_LIFETIME: u64 = 30_000;
const SIDES: [&str; 2] = ["initiator", "responder"];

/// What is computed while the messages are made one after another.
struct Maker {
    parties: [Party; 2],
    sent: Vec<Vec<u8>>,
    messages: Vec<Message>,
}

impl Maker {
    fn key(&self, side: usize) -> SigningKey {
        SigningKey::from_bytes(&self.parties[side].identity_seed.array())
    }

    fn history(&self) -> [u8; 32] {
        transcript(&self.sent)
    }

    /// The next message as it stands before its signature.
    fn letter(&self, msg_type: &str, session_id: Option<[u8; 16]>, body: &Map) -> Letter {
        let number = self.sent.len();
        let side = number % 2;
        let nonce = drawn(&self.parties[side], &format!("nonce of message {}", number + 1));
        let mut letter = Letter(Map::from([
            ("version", Item::text("1.1")),
            ("msg_type", Item::text(msg_type)),
            ("sender_id", Item::text(self.parties[side].entity_id.as_str())),
            ("recipient_id", Item::text(self.parties[1 - side].entity_id.as_str())),
            ("sequence_num", Item::Uint(number as u64)),
            ("timestamp", Item::Uint(CLOCK + 1000 * number as u64)),
            ("nonce", Item::Bytes(nonce)),
        ]));
        if let Some(id) = session_id {
            letter.set("session_id", Item::bytes(id));
        }
        letter.set_body(body);
        letter
    }

    fn send(&mut self, letter: &Letter) {
        let number = self.sent.len();
        let side = number % 2;
        let key = self.key(side);
        let input = signature_input(&letter.unsigned());
        let envelope = letter.signed(&key);
        self.sent.push(envelope.clone());
        self.messages.push(Message {
            number: number as u64 + 1,
            msg_type: letter.get("msg_type").as_text().to_owned(),
            from: SIDES[side].to_owned(),
            timestamp: CLOCK + 1000 * number as u64,
            nonce: Hex::of(letter.get("nonce").as_bytes()),
            body: Hex::of(letter.get("payload").as_bytes()),
            unsigned_envelope: Hex::of(letter.unsigned()),
            signature: Hex::of(key.sign(&input).to_bytes()),
            signature_input: Hex(input),
            envelope: Hex(envelope),
            transcript_after: Hex::of(self.history()),
        });
    }

    fn offer(&self) -> Map {
        let initiator = &self.parties[0];
        Map::from([
            ("features", texts(&initiator.features)),
            ("versions", Item::texts(&["1.1"])),
            ("public_key", Item::bytes(&initiator.identity_public_key.0)),
            ("cipher_suites", texts(&initiator.cipher_suites)),
            ("ephemeral_key", Item::bytes(&initiator.ephemeral_public_key.0)),
        ])
    }

    /// The entries that both answers to an offer have.
    fn choice(&self, suite: &str, features: &[String]) -> Map {
        let responder = &self.parties[1];
        Map::from([
            ("suite", Item::text(suite)),
            ("version", Item::text("1.1")),
            ("features", texts(features)),
            ("public_key", Item::bytes(&responder.identity_public_key.0)),
            ("transcript", Item::bytes(self.history())),
            ("ephemeral_key", Item::bytes(&responder.ephemeral_public_key.0)),
        ])
    }

    fn confirmed(&self, side: usize, keys: &Schedule, history: [u8; 32]) -> Confirmation {
        let mac = confirmation(&keys.of(side).confirm, &history);
        Confirmation { by: SIDES[side].to_owned(), transcript: Hex::of(history), mac: Hex::of(mac) }
    }
}

fn texts(names: &[String]) -> Item {
    Item::List(names.iter().map(Item::text).collect())
}

fn direction(keys: &Direction) -> Keys {
    Keys {
        traffic_key: Hex::of(keys.key),
        iv: Hex::of(keys.iv),
        confirm_key: Hex::of(keys.confirm),
    }
}

fn agreed(suites: [&[&str]; 2]) -> (String, Vec<String>) {
    let suite = suites[0].iter().find(|suite| suites[1].contains(suite)).unwrap();
    ((*suite).to_owned(), vec!["beta".to_owned()])
}

fn parties(name: &str, suites: [&[&str]; 2], draws: [&[(&str, usize)]; 2]) -> [Party; 2] {
    [
        party(name, "initiator", "entity_a", suites[0], &["alpha", "beta"], draws[0]),
        party(name, "responder", "エンティティ", suites[1], &["beta", "gamma"], draws[1]),
    ]
}

/// One six-step handshake from nothing but its inputs.
fn six_step(name: &str, suites: [&[&str]; 2]) -> Handshake {
    let parties = parties(
        name,
        suites,
        [
            &[
                ("ephemeral private key", 32),
                ("nonce of message 1", 16),
                ("nonce of message 3", 16),
                ("nonce of message 5", 16),
            ],
            &[
                ("ephemeral private key", 32),
                ("challenge", 32),
                ("nonce of message 2", 16),
                ("session id, before version and variant are set", 16),
                ("nonce of message 4", 16),
                ("nonce of message 6", 16),
            ],
        ],
    );
    let (suite, features) = agreed(suites);
    let mut maker = Maker { parties, sent: Vec::new(), messages: Vec::new() };
    let letter = maker.letter("handshake_init", None, &maker.offer());
    maker.send(&letter);

    let challenge = drawn(&maker.parties[1], "challenge");
    let mut body = maker.choice(&suite, &features);
    body.set("challenge", Item::bytes(&challenge));
    body.set("challenge_lifetime_ms", Item::Uint(CHALLENGE_LIFETIME));
    let letter = maker.letter("handshake_init_ack", None, &body);
    maker.send(&letter);

    let handshake_hash = maker.history();
    let [a, b] = &maker.parties;
    let shared = x25519(&a.ephemeral_private_key.array(), &b.ephemeral_public_key.0);
    let keys = Schedule::derive(shared, &handshake_hash);
    let answer = challenge_input(&handshake_hash, &challenge);
    let answered = maker.key(0).sign(&answer).to_bytes();
    let body = Map::from([
        ("transcript", Item::bytes(handshake_hash)),
        ("challenge_signature", Item::bytes(answered)),
    ]);
    let letter = maker.letter("challenge_response", None, &body);
    maker.send(&letter);

    let random = drawn(&maker.parties[1], "session id, before version and variant are set");
    let session_id = uuid_v4(&random);
    let by_responder = maker.confirmed(1, &keys, maker.history());
    let body = Map::from([
        ("mac", Item::bytes(&by_responder.mac.0)),
        ("session_id", Item::bytes(session_id)),
        ("transcript", Item::bytes(maker.history())),
        ("lifetime_ms", Item::Uint(LIFETIME)),
    ]);
    let letter = maker.letter("session_established", Some(session_id), &body);
    maker.send(&letter);

    let by_initiator = maker.confirmed(0, &keys, maker.history());
    let body = Map::from([
        ("mac", Item::bytes(&by_initiator.mac.0)),
        ("session_id", Item::bytes(session_id)),
        ("transcript", Item::bytes(maker.history())),
    ]);
    let letter = maker.letter("session_confirm", Some(session_id), &body);
    maker.send(&letter);

    let history = maker.history();
    let body =
        Map::from([("session_id", Item::bytes(session_id)), ("transcript", Item::bytes(history))]);
    let mut letter = maker.letter("ready", Some(session_id), &body);
    let (aad, aead_nonce) = (letter.aad(), record_nonce(&keys.responder.iv, 0));
    let record = seal(&suite, &keys.responder.key, &aead_nonce, &aad, &history);
    letter.set_in_body("record", Item::bytes(&record));
    maker.send(&letter);

    let Maker { parties: [initiator, responder], messages, .. } = maker;
    Handshake {
        name: name.to_owned(),
        suite,
        features,
        session_id: Hex::of(session_id),
        session_lifetime_ms: LIFETIME,
        challenge_lifetime_ms: Some(CHALLENGE_LIFETIME),
        initiator,
        responder,
        messages,
        shared_secret: Hex::of(shared),
        provisional_ack: None,
        handshake_hash: Hex::of(handshake_hash),
        session_key: Hex::of(keys.session_key),
        initiator_keys: direction(&keys.initiator),
        responder_keys: direction(&keys.responder),
        confirmations: vec![by_responder, by_initiator],
        challenge: Some(Challenge {
            challenge: Hex(challenge),
            signature_input: Hex(answer),
            signature: Hex::of(answered),
        }),
        first_record: Some(FirstRecord {
            sequence_num: 0,
            aead_nonce: Hex::of(aead_nonce),
            aad: Hex(aad),
            plaintext: Hex::of(history),
            record: Hex(record),
        }),
    }
}

/// One three-way handshake from nothing but its inputs.
fn three_way(name: &str, suites: [&[&str]; 2]) -> Handshake {
    let parties = parties(
        name,
        suites,
        [
            &[
                ("ephemeral private key", 32),
                ("nonce of message 1", 16),
                ("nonce of message 3", 16),
            ],
            &[
                ("ephemeral private key", 32),
                ("session id, before version and variant are set", 16),
                ("nonce of message 2", 16),
            ],
        ],
    );
    let (suite, features) = agreed(suites);
    let mut maker = Maker { parties, sent: Vec::new(), messages: Vec::new() };
    let letter = maker.letter("handshake", None, &maker.offer());
    maker.send(&letter);

    let random = drawn(&maker.parties[1], "session id, before version and variant are set");
    let session_id = uuid_v4(&random);
    let mut body = maker.choice(&suite, &features);
    body.set("mac", Item::bytes([0; 32]));
    body.set("session_id", Item::bytes(session_id));
    body.set("lifetime_ms", Item::Uint(LIFETIME));
    let mut letter = maker.letter("handshake_ack", Some(session_id), &body);
    // Unsigned and with a zero MAC: what the keys are salted with, and what the MAC is over.
    let provisional = letter.unsigned();
    let handshake_hash = transcript(&[&maker.sent[0], &provisional]);
    let [a, b] = &maker.parties;
    let shared = x25519(&a.ephemeral_private_key.array(), &b.ephemeral_public_key.0);
    let keys = Schedule::derive(shared, &handshake_hash);
    let by_responder = maker.confirmed(1, &keys, handshake_hash);
    letter.set_in_body("mac", Item::bytes(&by_responder.mac.0));
    maker.send(&letter);

    let by_initiator = maker.confirmed(0, &keys, maker.history());
    let body = Map::from([
        ("mac", Item::bytes(&by_initiator.mac.0)),
        ("session_id", Item::bytes(session_id)),
        ("transcript", Item::bytes(maker.history())),
    ]);
    let letter = maker.letter("handshake_confirm", Some(session_id), &body);
    maker.send(&letter);

    let Maker { parties: [initiator, responder], messages, .. } = maker;
    Handshake {
        name: name.to_owned(),
        suite,
        features,
        session_id: Hex::of(session_id),
        session_lifetime_ms: LIFETIME,
        challenge_lifetime_ms: None,
        initiator,
        responder,
        messages,
        shared_secret: Hex::of(shared),
        provisional_ack: Some(Hex(provisional)),
        handshake_hash: Hex::of(handshake_hash),
        session_key: Hex::of(keys.session_key),
        initiator_keys: direction(&keys.initiator),
        responder_keys: direction(&keys.responder),
        confirmations: vec![by_responder, by_initiator],
        challenge: None,
        first_record: None,
    }
}

/// The six-step vectors, recomputed.
pub(crate) fn six_steps() -> Vec<Handshake> {
    vec![
        six_step("six-step, AES-256-GCM", [&[AES, CHACHA], &[AES, CHACHA]]),
        six_step("six-step, ChaCha20-Poly1305", [&[AES, CHACHA], &[CHACHA]]),
        six_step("six-step, AES-256-GCM-BLAKE3", [&[BLAKE3, AES, CHACHA], &[AES, BLAKE3]]),
    ]
}

fn three_ways() -> Vec<Handshake> {
    vec![
        three_way("three-way, AES-256-GCM", [&[AES, CHACHA], &[AES, CHACHA]]),
        three_way("three-way, ChaCha20-Poly1305", [&[CHACHA], &[AES, CHACHA]]),
    ]
}

#[test]
fn six_step_vectors_hold() {
    let vectors = checked("six_step.json", about::SIX_STEP, six_steps);
    assert_eq!(vectors, six_steps(), "recomputed from primitives");
    for vector in &vectors {
        reproduce::handshake(HandshakeKind::SixStep, vector);
    }
}

#[test]
fn three_way_vectors_hold() {
    let vectors = checked("three_way.json", about::THREE_WAY, three_ways);
    assert_eq!(vectors, three_ways(), "recomputed from primitives");
    for vector in &vectors {
        reproduce::handshake(HandshakeKind::ThreeWay, vector);
    }
}
