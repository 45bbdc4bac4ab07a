//! The committed vectors in `protocol/tests/vectors/hop.json`, checked twice: recomputed with
//! hand-written CBOR only, and the crate says the same byte for byte. `docs/PROTOCOL.md` §12.
//!
//! After a deliberate change of the protocol, `UPDATE_VECTORS=1 cargo test -p peer-protocol --test
//! hop` writes them anew; the crate must still agree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::{MAX_ENVELOPE_LEN, MAX_HOP_HEAD_LEN};
use peer_protocol::registry::Place;
use peer_protocol::routing::{Head, Header, HopError, Outcome, Packet, PacketId, Reason, Refusal};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const ABOUT: &[&str] = &[
    "Packets and outcomes of several hops in protocol version 1.1 (docs/PROTOCOL.md section 12). Any language will do that has CBOR, SHA-256 and Ed25519 keys.",
    "Bytes are lower-case hex. A frame is its length as 4 bytes, big-endian, and so many bytes. `||` joins bytes.",
    "1. `packets`: `origin` and `destination` are Ed25519 public keys, `expiry` is in milliseconds since the Unix epoch. `head` is a CBOR map of `expiry`, `origin`, `hop_limit`, `message_id` and `destination`, in the deterministic encoding of RFC 8949 section 4.2.1. `packet` is frame(head) || frame(envelope). The envelopes are no envelopes: carriers do not look into them.",
    "2. `outcomes`: `head` is a CBOR map of `outcome` and either `hops`, or `reason` and with `rate_limited` also `retry_after_ms`. `bytes` is frame(head) || frame(envelope); the envelope of a refusal is empty.",
    "3. `places`: the libp2p peer id of `key` is 00 24 08 01 12 20 || key; `place` is SHA-256 of that. Neighbours are tried by the XOR of their place and that of the destination, the smaller number first.",
    "4. `refused`: these are no packets. `reason` is what the neighbour that sends them is told.",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    packets: Vec<PacketVector>,
    outcomes: Vec<OutcomeVector>,
    places: Vec<PlaceVector>,
    refused: Vec<RefusedVector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PacketVector {
    name: String,
    message_id: String,
    origin: String,
    destination: String,
    hop_limit: u8,
    expiry: u64,
    envelope: String,
    head: String,
    packet: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeVector {
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hops: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    envelope: String,
    head: String,
    bytes: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceVector {
    key: String,
    place: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedVector {
    name: String,
    packet: String,
    reason: String,
}

fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, len) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info], &bytes[8 - len..]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&head(3, text.len() as u64)[..], text.as_bytes()].concat()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&head(2, bytes.len() as u64)[..], bytes].concat()
}

/// A map in deterministic order: entries sorted by their encoded keys.
fn map(mut entries: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    entries.sort();
    let mut out = head(5, entries.len() as u64);
    entries.iter().for_each(|(key, value)| out.extend([&key[..], value].concat()));
    out
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn key(name: &str) -> [u8; 32] {
    let seed = Sha256::digest(format!("hop vector: {name}")).into();
    SigningKey::from_bytes(&seed).verifying_key().to_bytes()
}

fn packet_head(id: &[u8; 16], ends: (&str, &str), hop_limit: u64, expiry: u64) -> Vec<u8> {
    map(vec![
        (text("message_id"), bytes(id)),
        (text("origin"), bytes(&key(ends.0))),
        (text("destination"), bytes(&key(ends.1))),
        (text("hop_limit"), head(0, hop_limit)),
        (text("expiry"), head(0, expiry)),
    ])
}

fn packet(name: &str, hop_limit: u8, expiry: u64, envelope: &[u8]) -> PacketVector {
    let id: [u8; 16] = Sha256::digest(name)[..16].try_into().unwrap();
    let head = packet_head(&id, ("a", "z"), u64::from(hop_limit), expiry);
    PacketVector {
        name: name.to_owned(),
        message_id: hex::encode(id),
        origin: hex::encode(key("a")),
        destination: hex::encode(key("z")),
        hop_limit,
        expiry,
        envelope: hex::encode(envelope),
        packet: hex::encode([frame(&head), frame(envelope)].concat()),
        head: hex::encode(head),
    }
}

fn answered(hops: u8, envelope: &[u8]) -> OutcomeVector {
    let entries =
        vec![(text("hops"), head(0, u64::from(hops))), (text("outcome"), text("answered"))];
    let head = map(entries);
    OutcomeVector {
        outcome: "answered".to_owned(),
        hops: Some(hops),
        reason: None,
        retry_after_ms: None,
        envelope: hex::encode(envelope),
        bytes: hex::encode([frame(&head), frame(envelope)].concat()),
        head: hex::encode(head),
    }
}

fn refused(reason: &str, retry_after_ms: Option<u64>) -> OutcomeVector {
    let mut entries = vec![(text("outcome"), text("refused")), (text("reason"), text(reason))];
    entries.extend(retry_after_ms.map(|wait| (text("retry_after_ms"), head(0, wait))));
    let head = map(entries);
    OutcomeVector {
        outcome: "refused".to_owned(),
        hops: None,
        reason: Some(reason.to_owned()),
        retry_after_ms,
        envelope: String::new(),
        bytes: hex::encode([frame(&head), frame(&[])].concat()),
        head: hex::encode(head),
    }
}

fn place(name: &str) -> PlaceVector {
    let key = key(name);
    let peer_id = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &key].concat();
    PlaceVector { key: hex::encode(key), place: hex::encode(Sha256::digest(peer_id)) }
}

fn no_packets() -> Vec<RefusedVector> {
    let id = [7; 16];
    let expiry = 1_800_000_000_000;
    let with = |head: Vec<u8>| [frame(&head), frame(b"opaque")].concat();
    let good = packet_head(&id, ("a", "z"), 10, expiry);
    let mut trailing = with(good.clone());
    trailing.push(0);
    let mut extra = good.clone();
    extra[0] += 1;
    extra.extend([text("trace"), head(7, 21)].concat());
    let mut unordered = packet_head(&id, ("a", "z"), 10, expiry);
    unordered[1..].rotate_left(7 + 9);
    let zero_key = [&good[..good.len() - 32], &[0; 32]].concat();
    [
        ("no hops left", with(packet_head(&id, ("a", "z"), 0, expiry)), "hop_limit"),
        ("eleven hops", with(packet_head(&id, ("a", "z"), 11, expiry)), "hop_limit"),
        ("255 hops", with(packet_head(&id, ("a", "z"), 255, expiry)), "hop_limit"),
        ("to its origin", with(packet_head(&id, ("a", "a"), 10, expiry)), "malformed"),
        ("no key", with(zero_key), "malformed"),
        ("an unknown entry", with(extra), "malformed"),
        ("entries out of order", with(unordered), "malformed"),
        ("a byte too many", trailing, "malformed"),
        ("cut", with(good)[..150].to_vec(), "malformed"),
        ("a long head", frame(&[0xa0; 257]), "too_large"),
    ]
    .map(|(name, packet, reason)| RefusedVector {
        name: name.to_owned(),
        packet: hex::encode(packet),
        reason: reason.to_owned(),
    })
    .into()
}

fn recomputed() -> File {
    let reasons = [
        "no_route",
        "seen",
        "expired",
        "hop_limit",
        "not_carrying",
        "too_large",
        "busy",
        "unanswered",
        "malformed",
    ];
    let mut outcomes = vec![answered(1, b"the answer"), answered(10, b"from far away")];
    outcomes.extend(reasons.map(|reason| refused(reason, None)));
    outcomes.extend([0, 1, 500, 3_600_000].map(|wait| refused("rate_limited", Some(wait))));
    File {
        about: ABOUT.iter().map(|line| (*line).to_owned()).collect(),
        packets: vec![
            packet("from its origin", 10, 1_800_000_010_000, b"opaque to carriers"),
            packet("on its last hop", 1, 1_800_000_010_001, b"x"),
            packet("nothing inside", 5, 23, b""),
            packet("a longer one", 9, u64::from(u32::MAX), &[0xc3; 300]),
        ],
        outcomes,
        places: ["a", "b", "z"].map(place).into(),
        refused: no_packets(),
    }
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn public_key(text: &str) -> PublicKey {
    PublicKey::from_bytes(&array(text)).unwrap()
}

fn says_the_crate_of_packets(vector: &PacketVector) {
    let header = Header {
        id: PacketId::from_bytes(array(&vector.message_id)),
        origin: public_key(&vector.origin),
        destination: public_key(&vector.destination),
        hop_limit: vector.hop_limit,
        expiry: Timestamp::from_millis(vector.expiry),
    };
    assert_eq!(hex::encode(header.encode()), vector.head);
    let envelope = Bytes::from(hex::decode(&vector.envelope).unwrap());
    let packet = Packet { header, envelope };
    assert_eq!(hex::encode(packet.encode()), vector.packet, "{}", vector.name);
    let bytes = hex::decode(&vector.packet).unwrap();
    assert_eq!(Packet::decode(&bytes), Ok(packet));
    for len in 0..bytes.len() {
        assert_eq!(Packet::decode(&bytes[..len]), Err(HopError::Truncated), "{len} bytes");
    }
}

fn says_the_crate_of_outcomes(vector: &OutcomeVector) {
    let outcome = match (vector.hops, &vector.reason) {
        (Some(hops), None) => {
            let envelope = Bytes::from(hex::decode(&vector.envelope).unwrap());
            Outcome::Answered { hops, envelope }
        }
        (None, Some(reason)) => {
            let reason = Reason::named(reason).unwrap();
            let retry_after = vector.retry_after_ms.map(Duration::from_millis);
            Outcome::Refused(Refusal { reason, retry_after })
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(hex::encode(outcome.encode_head()), vector.head);
    assert_eq!(hex::encode(outcome.encode()), vector.bytes);
    assert_eq!(Outcome::decode(&hex::decode(&vector.bytes).unwrap()), Ok(outcome));
}

#[test]
fn hop_vectors_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/hop.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&recomputed()).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let file: File = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file, recomputed(), "recomputed from primitives");
    file.packets.iter().for_each(says_the_crate_of_packets);
    file.outcomes.iter().for_each(says_the_crate_of_outcomes);
    for vector in &file.places {
        let peer_id =
            [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &array::<32>(&vector.key)].concat();
        let nothing = Place::of(&peer_id).distance(&Place::of(&peer_id));
        assert_eq!(nothing, [0; 32]);
        assert_eq!(hex::encode(Sha256::digest(&peer_id)), vector.place);
    }
    for vector in &file.refused {
        let error = Packet::decode(&hex::decode(&vector.packet).unwrap()).unwrap_err();
        assert_eq!(error.reason().as_str(), vector.reason, "{}: {error}", vector.name);
    }
}

/// What is too long is not read, and what is just as long as it may be is.
#[test]
fn heads_and_envelopes_are_measured_to_the_byte() {
    let header = Header {
        id: PacketId::from_bytes([7; 16]),
        origin: PublicKey::from_bytes(&key("a")).unwrap(),
        destination: PublicKey::from_bytes(&key("z")).unwrap(),
        hop_limit: 10,
        expiry: Timestamp::from_millis(1_800_000_000_000),
    };
    let longest = Packet { header, envelope: vec![7; MAX_ENVELOPE_LEN].into() };
    assert_eq!(Packet::decode(&longest.encode()), Ok(longest.clone()));
    let len = MAX_ENVELOPE_LEN + 1;
    let longer = Packet { envelope: vec![7; len].into(), ..longest };
    assert_eq!(Packet::decode(&longer.encode()), Err(HopError::TooLong { len }));
    for len in [MAX_HOP_HEAD_LEN, MAX_HOP_HEAD_LEN + 1, MAX_HOP_HEAD_LEN + 2] {
        // An array of that many bytes: no head, but CBOR.
        let junk = [&[0x99], &((len - 3) as u16).to_be_bytes()[..], &vec![0; len - 3]].concat();
        let errors = [Header::decode(&junk).unwrap_err(), Head::decode(&junk).unwrap_err()];
        for error in errors {
            assert_eq!(error == HopError::HeadTooLong { len }, len > MAX_HOP_HEAD_LEN, "{error}");
        }
    }
}

/// Parts that do not belong together make no outcome.
#[test]
fn an_outcome_is_either_an_answer_or_a_refusal() {
    let framed = |head: Vec<u8>, envelope: &[u8]| [frame(&head), frame(envelope)].concat();
    let entry = |name: &str, value: Vec<u8>| (text(name), value);
    let answer = || entry("outcome", text("answered"));
    let refusal = || entry("outcome", text("refused"));
    for (what, head, envelope) in [
        ("an empty answer", vec![answer(), entry("hops", head(0, 1))], &b""[..]),
        ("an answer without hops", vec![answer()], b"x"),
        (
            "an answer with a reason",
            vec![answer(), entry("hops", head(0, 1)), entry("reason", text("seen"))],
            b"x",
        ),
        ("a refusal with an envelope", vec![refusal(), entry("reason", text("seen"))], b"x"),
        ("a refusal without a reason", vec![refusal()], b""),
        (
            "rate_limited without a time",
            vec![refusal(), entry("reason", text("rate_limited"))],
            b"",
        ),
        (
            "seen with a time",
            vec![refusal(), entry("reason", text("seen")), entry("retry_after_ms", head(0, 1))],
            b"",
        ),
        ("neither", vec![entry("outcome", text("perhaps"))], b""),
    ] {
        let decoded = Outcome::decode(&framed(map(head), envelope));
        assert_eq!(decoded, Err(HopError::Mixed), "{what}");
    }
    for hops in [0, 11, 255, 256] {
        let head = map(vec![answer(), entry("hops", head(0, hops))]);
        assert_eq!(Outcome::decode(&framed(head, b"x")), Err(HopError::Hops { hops }));
    }
}
