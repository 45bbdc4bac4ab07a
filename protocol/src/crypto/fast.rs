//! AWS-LC behind the same traits (feature `fast-crypto`).
//!
//! What it accepts is exactly what the Rust implementations accept; `tests/differential.rs` compares
//! them where they could differ.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, ParsedPublicKey};

use super::{Aead, AeadError, EphemeralPublic, IV_LEN, KEY_LEN, Secret, Signature, TAG_LEN};

/// The eight points of small order in their canonical encodings, without the sign of x.
const SMALL_ORDER: [[u8; 32]; 5] = [
    // The neutral point; the point of order 2; two of order 4; four of order 8.
    encoding(1, 0, 0),
    encoding(0xec, 0xff, 0x7f),
    encoding(0, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// The first byte, thirty in the middle, and the last.
const fn encoding(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let [a, .., z] = &mut bytes;
    (*a, *z) = (first, last);
    bytes
}

/// The bytes of a coordinate, without the sign that shares the last one.
const fn unsigned(point: &[u8; 32]) -> [u8; 32] {
    let mut bytes = *point;
    let [.., last] = &mut bytes;
    *last &= 0x7f;
    bytes
}

/// Whether a coordinate is less than 2^255 - 19.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = unsigned(point);
    last != 0x7f || first < 0xed || middle.iter().any(|byte| *byte != 0xff)
}

/// Whether a signature holds, as `verify_strict` of dalek says; `None` if only dalek can tell. `key` is
/// on the curve and not of small order.
pub(super) fn verify_strict(key: &[u8; 32], message: &[u8], signature: &Signature) -> Option<bool> {
    // The libraries differ on keys that are spelled with a coordinate too large.
    if !is_canonical(key) {
        return None;
    }
    // AWS-LC compares the encoding of R with that of a point that it computes, which is canonical.
    let (r, _) = signature.split_first_chunk()?;
    if SMALL_ORDER.contains(&unsigned(r)) {
        return Some(false);
    }
    let key = ParsedPublicKey::new(&ED25519, key).ok()?;
    Some(key.verify_sig(message, signature).is_ok())
}

/// Signs; the library wipes the key when it frees it.
pub(super) struct Signer(Option<Ed25519KeyPair>);

impl Signer {
    pub(super) fn new(seed: &[u8; 32], public: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_and_public_key(seed, public).ok())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Signature> {
        self.0.as_ref()?.sign(message).as_ref().try_into().ok()
    }
}

/// The private half of an X25519 key pair.
pub(super) struct Ephemeral(agreement::PrivateKey);

impl Ephemeral {
    #[expect(clippy::expect_used, reason = "any 32 bytes are a key")]
    pub(super) fn new(private: &[u8; 32]) -> (Self, EphemeralPublic) {
        let private =
            agreement::PrivateKey::from_private_key(&X25519, private).expect("32 bytes are a key");
        let public = private.compute_public_key().expect("a private key has a public one");
        let public = public.as_ref().try_into().expect("a public key has 32 bytes");
        (Self(private), public)
    }

    /// `None` if the result is all zero.
    pub(super) fn agree(&self, peer: &EphemeralPublic) -> Option<Secret> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        let secret = agreement::agree(&self.0, peer, Unspecified, |shared| {
            shared.try_into().map(Secret::new).map_err(|_| Unspecified)
        });
        secret.ok()
    }
}

/// AES-256-GCM under `key`.
#[expect(clippy::expect_used, reason = "fails only for keys of another length")]
pub(super) fn aes_256_gcm(key: &[u8; KEY_LEN]) -> Box<dyn Aead> {
    let key = UnboundKey::new(&AES_256_GCM, key).expect("a key has 32 bytes");
    Box::new(Aes256Gcm(LessSafeKey::new(key)))
}

struct Aes256Gcm(LessSafeKey);

impl Aead for Aes256Gcm {
    fn seal(
        &self,
        nonce: &[u8; IV_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), buffer);
        tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(AeadError)
    }

    fn open(
        &self,
        nonce: &[u8; IV_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), AeadError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, buffer);
        opened.map(|_| ()).map_err(|Unspecified| AeadError)
    }
}
