//! The key schedule of `docs/PROTOCOL.md` §3.4: shared secret → session key → keys per direction.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Digest, IV_LEN, KEY_LEN};

/// 32 secret bytes: zeroized when dropped, and hidden from `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes charge of secret bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the primitive that needs them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The session key: the root from which a session's traffic keys are expanded.
#[derive(Clone, Debug)]
pub struct SessionKey(Secret);

impl SessionKey {
    const INFO: &[u8] = b"peer-v1.1-session-key";

    /// `HKDF-SHA256(ikm = shared_secret, salt = handshake_hash, info = "peer-v1.1-session-key")`.
    #[must_use]
    pub fn derive(shared_secret: &Secret, handshake_hash: &Digest) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(handshake_hash), shared_secret.expose());
        let mut okm = Secret::new([0; KEY_LEN]);
        expand(&hkdf, Self::INFO, &mut okm.0);
        Self(okm)
    }

    /// The 32 bytes, for test vectors.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// The keys of one direction.
#[derive(Clone, Debug)]
pub struct DirectionKeys {
    /// Traffic key and initialisation vector.
    pub traffic: TrafficKeys,
    /// Key of the confirmation MAC that this direction's sender makes.
    pub confirm: Secret,
}

/// AEAD key and initialisation vector of one direction.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TrafficKeys {
    /// AEAD key.
    pub key: [u8; KEY_LEN],
    /// XORed with the sequence number, it gives each record's nonce.
    pub iv: [u8; IV_LEN],
}

impl fmt::Debug for TrafficKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrafficKeys(..)")
    }
}

/// Everything expanded from the session key.
#[derive(Clone, Debug)]
pub struct KeySchedule {
    /// Keys of what the initiator sends.
    pub initiator: DirectionKeys,
    /// Keys of what the responder sends.
    pub responder: DirectionKeys,
}

impl KeySchedule {
    /// Expands all keys of a session.
    #[must_use]
    pub fn expand(session_key: &SessionKey) -> Self {
        let hkdf = prk(session_key);
        let direction = |key_info, iv_info, confirm_info| {
            let mut traffic = TrafficKeys { key: [0; KEY_LEN], iv: [0; IV_LEN] };
            let mut confirm = Secret::new([0; KEY_LEN]);
            expand(&hkdf, key_info, &mut traffic.key);
            expand(&hkdf, iv_info, &mut traffic.iv);
            expand(&hkdf, confirm_info, &mut confirm.0);
            DirectionKeys { traffic, confirm }
        };
        Self {
            initiator: direction(
                b"peer-v1.1-initiator-key",
                b"peer-v1.1-initiator-iv",
                b"peer-v1.1-initiator-confirm",
            ),
            responder: direction(
                b"peer-v1.1-responder-key",
                b"peer-v1.1-responder-iv",
                b"peer-v1.1-responder-confirm",
            ),
        }
    }
}

#[expect(clippy::expect_used, reason = "fails only for keys shorter than a SHA-256 output")]
fn prk(session_key: &SessionKey) -> Hkdf<Sha256> {
    Hkdf::from_prk(session_key.expose()).expect("a session key is as long as a SHA-256 output")
}

#[expect(clippy::expect_used, reason = "fails only for outputs longer than 255 SHA-256 outputs")]
fn expand(hkdf: &Hkdf<Sha256>, info: &[u8], okm: &mut [u8]) {
    hkdf.expand(info, okm).expect("keys are no longer than a SHA-256 output");
}
