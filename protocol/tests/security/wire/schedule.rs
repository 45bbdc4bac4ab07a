//! The key schedule, from primitives.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Payload, consts::U12, consts::U16};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256(label ‖ len(e1) ‖ e1 ‖ len(e2) ‖ e2 ‖ …), lengths as 64-bit big-endian.
pub(crate) fn transcript(envelopes: &[impl AsRef<[u8]>]) -> [u8; 32] {
    let mut bytes = b"peer-v1.1-transcript".to_vec();
    for envelope in envelopes {
        bytes.extend_from_slice(&(envelope.as_ref().len() as u64).to_be_bytes());
        bytes.extend_from_slice(envelope.as_ref());
    }
    sha256(&bytes)
}

pub(crate) fn x25519_public(private: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::x25519(*private, x25519_dalek::X25519_BASEPOINT_BYTES)
}

pub(crate) fn x25519(private: &[u8; 32], public: &[u8]) -> [u8; 32] {
    x25519_dalek::x25519(*private, public.try_into().unwrap())
}

/// What the initiator signs to answer a challenge.
pub(crate) fn challenge_input(handshake_hash: &[u8; 32], challenge: &[u8]) -> Vec<u8> {
    [b"peer-v1.1-challenge".as_slice(), handshake_hash, challenge].concat()
}

/// Keys of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) key: [u8; 32],
    pub(crate) iv: [u8; 12],
    pub(crate) confirm: [u8; 32],
}

/// All keys of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) shared_secret: [u8; 32],
    pub(crate) session_key: [u8; 32],
    pub(crate) initiator: Direction,
    pub(crate) responder: Direction,
}

impl Keys {
    pub(crate) fn derive(shared_secret: [u8; 32], handshake_hash: &[u8; 32]) -> Self {
        let mut session_key = [0; 32];
        Hkdf::<Sha256>::new(Some(handshake_hash), &shared_secret)
            .expand(b"peer-v1.1-session-key", &mut session_key)
            .unwrap();
        let direction = |role: &str| Direction {
            key: expand(&session_key, &format!("peer-v1.1-{role}-key")),
            iv: expand(&session_key, &format!("peer-v1.1-{role}-iv")),
            confirm: expand(&session_key, &format!("peer-v1.1-{role}-confirm")),
        };
        Self {
            shared_secret,
            initiator: direction("initiator"),
            responder: direction("responder"),
            session_key,
        }
    }

    /// The keys of what `side` (0: initiator) sends.
    pub(crate) const fn of(&self, side: usize) -> &Direction {
        if side == 0 { &self.initiator } else { &self.responder }
    }
}

fn expand<const N: usize>(session_key: &[u8; 32], info: &str) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::from_prk(session_key).unwrap().expand(info.as_bytes(), &mut out).unwrap();
    out
}

/// HMAC-SHA256 over a transcript hash.
pub(crate) fn confirmation(confirm_key: &[u8; 32], transcript: &[u8; 32]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(confirm_key).unwrap();
    mac.update(transcript);
    mac.finalize().into_bytes().into()
}

/// IV XOR the record's number, as a 96-bit big-endian number.
pub(crate) fn record_nonce(iv: &[u8; 12], sequence: u64) -> [u8; 12] {
    let mut number = [0; 12];
    number[4..].copy_from_slice(&sequence.to_be_bytes());
    std::array::from_fn(|index| iv[index] ^ number[index])
}

/// Ciphertext ‖ tag.
pub(crate) fn seal(
    suite: &str,
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    text: &[u8],
) -> Vec<u8> {
    match suite {
        "AES-256-GCM" | "AES-256-GCM-BLAKE3" => {
            sealed(&Aes256Gcm::new(key.into()), nonce, aad, text)
        }
        "ChaCha20-Poly1305" => sealed(&ChaCha20Poly1305::new(key.into()), nonce, aad, text),
        other => panic!("suite {other}"),
    }
}

/// The plaintext; panics if it does not open.
pub(crate) fn open(
    suite: &str,
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Vec<u8> {
    match suite {
        "AES-256-GCM" | "AES-256-GCM-BLAKE3" => {
            opened(&Aes256Gcm::new(key.into()), nonce, aad, sealed)
        }
        "ChaCha20-Poly1305" => opened(&ChaCha20Poly1305::new(key.into()), nonce, aad, sealed),
        other => panic!("suite {other}"),
    }
}

trait Cipher: AeadInOut<NonceSize = U12, TagSize = U16> {}
impl<T: AeadInOut<NonceSize = U12, TagSize = U16>> Cipher for T {}

fn sealed(cipher: &impl Cipher, nonce: &[u8; 12], aad: &[u8], text: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::Aead as _;
    cipher.encrypt(nonce.into(), Payload { msg: text, aad }).unwrap()
}

fn opened(cipher: &impl Cipher, nonce: &[u8; 12], aad: &[u8], text: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::Aead as _;
    cipher.decrypt(nonce.into(), Payload { msg: text, aad }).expect("the record opens")
}
