//! The inputs of the vectors: everything that is chosen rather than computed.

use ed25519_dalek::SigningKey;

use super::format::{Draw, Hex, Party};
use crate::wire::{sha256, x25519_public};

/// Time of the first message of each handshake; each further one is a second later.
pub(crate) const CLOCK: u64 = 1_800_000_000_000;

/// 32 bytes that stand for nothing but their name.
pub(crate) fn bytes(name: &str) -> [u8; 32] {
    sha256(format!("peer-v1.1 test vector: {name}").as_bytes())
}

/// 16 bytes that stand for nothing but their name.
pub(crate) fn short(name: &str) -> [u8; 16] {
    bytes(name)[..16].try_into().unwrap()
}

/// The UUID v4 of 16 random bytes.
pub(crate) fn uuid_v4(random: &[u8]) -> [u8; 16] {
    let mut id: [u8; 16] = random.try_into().unwrap();
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// The fingerprint as people see it.
pub(crate) fn fingerprint(public_key: &[u8]) -> String {
    let groups: Vec<_> = sha256(public_key).chunks(4).map(hex::encode).collect();
    groups.join(" ")
}

/// The id that a key derives: `ent-` and 16 characters of base32.
pub(crate) fn derived_id(public_key: &[u8]) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = sha256(public_key);
    let bits: Vec<u8> =
        hash.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |bits: &[u8]| bits.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit));
    let text: String =
        bits.chunks(5).take(16).map(|bits| char::from(ALPHABET[digit(bits)])).collect();
    format!("ent-{text}")
}

pub(crate) fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// A side with the random bytes that it draws, by name, in order. The first are its ephemeral key.
pub(crate) fn party(
    vector: &str,
    role: &str,
    entity_id: &str,
    suites: &[&str],
    features: &[&str],
    draws: &[(&str, usize)],
) -> Party {
    let seed = bytes(&format!("identity of {entity_id}"));
    let identity_public_key = public_key(&seed);
    let random: Vec<_> = draws
        .iter()
        .map(|(what, len)| {
            let all = bytes(&format!("{vector}: {role}: {what}"));
            Draw { what: (*what).to_owned(), bytes: Hex::of(&all[..*len]) }
        })
        .collect();
    let private: [u8; 32] = random[0].bytes.array();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Party {
        entity_id: entity_id.to_owned(),
        identity_seed: Hex::of(seed),
        fingerprint: fingerprint(&identity_public_key),
        identity_public_key: Hex::of(identity_public_key),
        cipher_suites: owned(suites),
        features: owned(features),
        random,
        ephemeral_private_key: Hex::of(private),
        ephemeral_public_key: Hex::of(x25519_public(&private)),
    }
}

/// The next random bytes called `what`.
pub(crate) fn drawn(party: &Party, what: &str) -> Vec<u8> {
    let draw = party.random.iter().find(|draw| draw.what == what);
    draw.unwrap_or_else(|| panic!("no {what}")).bytes.0.clone()
}
