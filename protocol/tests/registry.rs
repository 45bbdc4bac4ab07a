//! The committed vectors in `protocol/tests/vectors/registry.json`, checked twice: what follows from
//! the inputs is recomputed with cryptographic primitives and hand-written CBOR only, and the crate
//! says the same byte for byte. `docs/PROTOCOL.md` §11.
//!
//! After a deliberate change of the protocol, `UPDATE_VECTORS=1 cargo test -p peer-protocol --test
//! registry` writes them anew; the crate must still agree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::registry::{Capability, Key, Record, Shard, SignedRecord};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const ABOUT: &[&str] = &[
    "Registry records and provider shards of protocol version 1.1 (docs/PROTOCOL.md section 11), with fixed keys and time. Any language will do that has SHA-256, Ed25519 and CBOR.",
    "Bytes are lower-case hex. `last_seen` is in milliseconds since the Unix epoch, `ttl` in seconds. `||` joins bytes. Inputs are `identity_seed` (an RFC 8032 private key), `entity_id`, `addresses`, `capabilities`, `last_seen` and `ttl`. All else follows.",
    "1. `public_key` is the Ed25519 key of `identity_seed`. `derived_id` is \"ent-\" and the first 16 characters of the lower-case base32 of SHA-256(`public_key`).",
    "2. `capability_hash` is the lower-case hex, as text, of SHA-256(capability). A record stands under SHA-256(id || \":\" || capability_hash): with `entity_id` and the empty capability, with `derived_id` and the empty capability, and with `entity_id` and each of its capabilities. Under the keys with the empty capability it also has two `mirrors`: SHA-256(\"mirror:\" || key || digit), with the digits 1 and 2 as text.",
    "3. `unsigned` is a CBOR map of `ttl`, `addresses`, `entity_id`, `last_seen`, `public_key` and `capabilities`, in the deterministic encoding of RFC 8949 section 4.2.1. `record` is the same map with `signature` in it.",
    "4. `signature_input` is \"peer-v1.1-registry\" || SHA-256(unsigned); `signature` is Ed25519 over that, by the key of `identity_seed`.",
    "5. A `ttl` of 0 withdraws; the record then has no addresses.",
    "6. `providers`: the digits of a provider are the first three pairs of bits of SHA-256(`public_key`), from the highest bit down. It announces itself in four shards, named by the first 0, 1, 2 and 3 digits. The key of the first is SHA-256(\"capability:\" || capability_hash), of the others SHA-256(\"capability:\" || capability_hash || \":\" || digits).",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    records: Vec<RecordVector>,
    providers: Vec<ProviderVector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordVector {
    name: String,
    identity_seed: String,
    entity_id: String,
    addresses: Vec<String>,
    capabilities: Vec<String>,
    last_seen: u64,
    ttl: u64,
    public_key: String,
    derived_id: String,
    keys: Vec<KeyVector>,
    unsigned: String,
    signature_input: String,
    signature: String,
    record: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyVector {
    id: String,
    capability: String,
    capability_hash: String,
    key: String,
    mirrors: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderVector {
    capability: String,
    capability_hash: String,
    public_key: String,
    shards: Vec<ShardVector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardVector {
    digits: String,
    key: String,
}

fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn signing_key(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(seed)
}

fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    let (info, len) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | info);
    out.extend_from_slice(&bytes[8 - len..]);
}

fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 3, text.len() as u64);
    [&out, text.as_bytes()].concat()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 2, bytes.len() as u64);
    [&out, bytes].concat()
}

fn number(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 0, number);
    out
}

fn texts(all: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 4, all.len() as u64);
    all.iter().for_each(|one| out.extend(text(one)));
    out
}

/// A map in deterministic order: entries sorted by their encoded keys.
fn map(mut entries: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    entries.sort();
    let mut out = Vec::new();
    head(&mut out, 5, entries.len() as u64);
    entries.iter().for_each(|(key, value)| out.extend([&key[..], value].concat()));
    out
}

fn key_vector(id: &str, capability: &str) -> KeyVector {
    let capability_hash = hex::encode(sha256(capability));
    let key = sha256(format!("{id}:{capability_hash}"));
    let mirror = |digit: &[u8; 1]| hex::encode(sha256([b"mirror:", &key[..], digit].concat()));
    let mirrors = if capability.is_empty() { vec![mirror(b"1"), mirror(b"2")] } else { Vec::new() };
    let (id, capability, key) = (id.to_owned(), capability.to_owned(), hex::encode(key));
    KeyVector { id, capability, capability_hash, key, mirrors }
}

/// A record; an empty name stands for the derived id.
fn record(
    name: &str,
    entity: &str,
    inputs: (&[&str], &[&str]),
    last_seen: u64,
    ttl: u64,
) -> RecordVector {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let (addresses, capabilities) = (owned(inputs.0), owned(inputs.1));
    let seed = sha256(format!("registry vector: {name}"));
    let key = signing_key(&seed);
    let public_key = key.verifying_key().to_bytes();
    let base32 = BASE32_NOPAD.encode(&sha256(public_key)).to_lowercase();
    let derived_id = format!("ent-{}", &base32[..16]);
    let entity_id = if entity.is_empty() { derived_id.clone() } else { entity.to_owned() };
    let mut keys = vec![key_vector(&entity_id, "")];
    if entity_id != derived_id {
        keys.push(key_vector(&derived_id, ""));
    }
    keys.extend(capabilities.iter().map(|capability| key_vector(&entity_id, capability)));
    let mut entries = vec![
        (text("ttl"), number(ttl)),
        (text("addresses"), texts(&addresses)),
        (text("entity_id"), text(&entity_id)),
        (text("last_seen"), number(last_seen)),
        (text("public_key"), bytes(&public_key)),
        (text("capabilities"), texts(&capabilities)),
    ];
    let unsigned = map(entries.clone());
    let signature_input = [&b"peer-v1.1-registry"[..], &sha256(&unsigned)].concat();
    let signature = key.sign(&signature_input).to_bytes();
    entries.push((text("signature"), bytes(&signature)));
    RecordVector {
        name: name.to_owned(),
        identity_seed: hex::encode(seed),
        entity_id,
        addresses,
        capabilities,
        last_seen,
        ttl,
        public_key: hex::encode(public_key),
        derived_id,
        keys,
        unsigned: hex::encode(unsigned),
        signature_input: hex::encode(signature_input),
        signature: hex::encode(signature),
        record: hex::encode(map(entries)),
    }
}

fn provider(capability: &str, seed: &str) -> ProviderVector {
    let capability_hash = hex::encode(sha256(capability));
    let public_key = signing_key(&sha256(seed)).verifying_key().to_bytes();
    let bits = sha256(public_key)[0];
    let digits: String =
        [6, 4, 2].map(|shift| char::from(b'0' + (bits >> shift & 3))).iter().collect();
    let shard = |len: usize| {
        let digits = digits[..len].to_owned();
        let suffix = if len == 0 { String::new() } else { format!(":{digits}") };
        let key = hex::encode(sha256(format!("capability:{capability_hash}{suffix}")));
        ShardVector { digits, key }
    };
    let shards = (0..4).map(shard).collect();
    let public_key = hex::encode(public_key);
    ProviderVector { capability: capability.to_owned(), capability_hash, public_key, shards }
}

fn recomputed() -> File {
    let time = 1_800_000_000_000;
    let quic: &[&str] = &["/ip4/192.0.2.1/udp/4001/quic-v1", "/dns/a.example/tcp/4001"];
    File {
        about: ABOUT.iter().map(|line| (*line).to_owned()).collect(),
        records: vec![
            record("named", "entity_a", (quic, &["read", "write"]), time, 86_400),
            record("unnamed", "", (quic, &[]), time + 1, 3_600),
            record("beyond ASCII, no address", "エンティティ", (&[], &["翻訳"]), time + 2, 23),
            record("withdrawn", "entity_a", (&[], &["read", "write"]), time + 3, 0),
        ],
        providers: ["one", "two", "three"].map(|seed| provider("翻訳", seed)).into(),
    }
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn says_the_crate(vector: &RecordVector) {
    let key = Arc::new(Ed25519Authenticator::from_seed(&array(&vector.identity_seed)));
    let identity = Identity::new(Some(vector.entity_id.parse().unwrap()), key).unwrap();
    assert_eq!(identity.public_key().as_bytes(), &array(&vector.public_key));
    assert_eq!(EntityId::derived(identity.public_key()).as_str(), vector.derived_id);
    let capabilities: Vec<Capability> =
        vector.capabilities.iter().map(|name| name.parse().unwrap()).collect();
    let now = Timestamp::from_millis(vector.last_seen);
    let ttl = Duration::from_secs(vector.ttl);
    let record = Record::new(&identity, vector.addresses.clone(), capabilities, now, ttl);
    assert_eq!(record.is_withdrawal(), vector.ttl == 0);
    let bytes = record.sign(&identity).unwrap();
    assert_eq!(hex::encode(&bytes), vector.record, "{}", vector.name);
    let keys: Vec<_> = vector.keys.iter().map(|key| hex::decode(&key.key).unwrap()).collect();
    assert_eq!(record.keys().iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>(), keys);
    let mirrors = vector.keys.iter().flat_map(|key| &key.mirrors);
    let mirrors: Vec<_> = mirrors.map(|mirror| hex::decode(mirror).unwrap()).collect();
    assert!(record.mirrors().map(|mirror| mirror.as_bytes().to_vec()).eq(mirrors));
    for key in record.keys().into_iter().chain(record.mirrors()) {
        let verified = SignedRecord::decode(bytes.clone()).unwrap().verify(&key, now).unwrap();
        assert_eq!(verified.record(), &record);
    }
}

#[test]
fn registry_vectors_hold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/registry.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&recomputed()).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let file: File = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file, recomputed(), "recomputed from primitives");
    file.records.iter().for_each(says_the_crate);
    for vector in &file.providers {
        let capability: Capability = vector.capability.parse().unwrap();
        assert_eq!(capability.hash(), vector.capability_hash);
        let shards = Shard::all_of(&PublicKey::from_bytes(&array(&vector.public_key)).unwrap());
        assert_eq!(shards.len(), vector.shards.len());
        for (shard, expected) in shards.iter().zip(&vector.shards) {
            assert_eq!(shard.digits(), expected.digits);
            let key = Key::of_providers(&capability, shard);
            assert_eq!(hex::encode(key.as_bytes()), expected.key);
        }
    }
}
