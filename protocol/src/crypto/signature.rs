//! Ed25519 signatures behind the [`Authenticator`] trait.

use std::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes in a signature.
pub const SIGNATURE_LEN: usize = 64;

/// An Ed25519 signature.
pub type Signature = [u8; SIGNATURE_LEN];

/// The signature does not hold for this key and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// The 32 bytes are no usable Ed25519 public key (not a curve point, or of small order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a usable Ed25519 public key")]
pub struct BadPublicKey;

/// An Ed25519 public key, parsed once so that verifying does not decompress it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Parses 32 bytes.
    ///
    /// # Errors
    /// [`BadPublicKey`] if the bytes are not a point on the curve, or one of small order, for which
    /// signatures can be made that hold for many messages.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadPublicKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadPublicKey)?;
        if key.is_weak() { Err(BadPublicKey) } else { Ok(Self(key)) }
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The point that the bytes stand for; not of small order.
    pub(super) fn point(&self) -> EdwardsPoint {
        self.0.to_edwards()
    }

    /// Verifies `signature` over `message`, strictly: one key and one message admit one encoding.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        #[cfg(feature = "fast-crypto")]
        if let Some(held) = super::fast::verify_strict(self.as_bytes(), message, signature) {
            return if held { Ok(()) } else { Err(BadSignature) };
        }
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", data_encoding::HEXLOWER.encode(self.as_bytes()))
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    /// Byte order; it settles who stays initiator when both sides open at once.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// Who signs for an entity: a key in memory, or one that lives in hardware or another process.
pub trait Authenticator: Send + Sync {
    /// The key that verifies what this authenticator signs.
    fn public_key(&self) -> PublicKey;

    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// An Ed25519 key pair in memory; zeroized when dropped.
pub struct Ed25519Authenticator {
    key: SigningKey,
    #[cfg(feature = "fast-crypto")]
    fast: super::fast::Signer,
}

impl Ed25519Authenticator {
    /// A new key pair.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::new(SigningKey::generate(rng))
    }

    /// The key pair of a 32-byte seed (the RFC 8032 private key).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(SigningKey::from_bytes(seed))
    }

    fn new(key: SigningKey) -> Self {
        Self {
            #[cfg(feature = "fast-crypto")]
            fast: super::fast::Signer::new(&key.to_bytes(), &key.verifying_key().to_bytes()),
            key,
        }
    }

    /// The 32-byte seed, for storing it.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }
}

impl Authenticator for Ed25519Authenticator {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        #[cfg(feature = "fast-crypto")]
        if let Some(signature) = self.fast.sign(message) {
            return signature;
        }
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Ed25519Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Authenticator")
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}
