//! X25519 ephemeral key exchange.

use std::fmt;

use rand_core::CryptoRng;
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};

use super::Secret;

/// An X25519 public key as it travels.
pub type EphemeralPublic = [u8; 32];

/// The peer's key is a point of small order: the shared secret would be all zero, known to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the peer's X25519 key is a low-order point")]
pub struct LowOrderPoint;

/// One side's ephemeral key pair; the private half is zeroized when dropped.
pub struct EphemeralKey {
    private: StaticSecret,
    public: EphemeralPublic,
}

impl EphemeralKey {
    /// A new key pair, to be used for one handshake.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let private = StaticSecret::random_from_rng(rng);
        let public = PublicKey::from(&private).to_bytes();
        Self { private, public }
    }

    /// The half that travels.
    #[must_use]
    pub const fn public(&self) -> &EphemeralPublic {
        &self.public
    }

    /// The secret shared with the holder of `peer`.
    ///
    /// # Errors
    /// [`LowOrderPoint`] if the result would be all zero.
    pub fn agree(&self, peer: &EphemeralPublic) -> Result<Secret, LowOrderPoint> {
        let shared = self.private.diffie_hellman(&PublicKey::from(*peer));
        if shared.was_contributory() {
            Ok(Secret::new(shared.to_bytes()))
        } else {
            Err(LowOrderPoint)
        }
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EphemeralKey").field("public", &self.public).finish_non_exhaustive()
    }
}
