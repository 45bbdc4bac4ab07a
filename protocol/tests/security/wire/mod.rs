//! What travels, a second time: deterministic CBOR by hand, envelopes, and the key schedule.

mod cbor;
mod letter;
mod schedule;

pub(crate) use cbor::{Item, Map};
pub(crate) use letter::{
    Letter, error_letter, sealed_letter, sealed_signature_input, signature_input,
};
pub(crate) use schedule::{
    Direction, Keys, challenge_input, confirmation, open, record_nonce, seal, sha256, transcript,
    x25519, x25519_public,
};
