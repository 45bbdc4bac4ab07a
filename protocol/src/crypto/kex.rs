//! X25519 ephemeral key exchange.

use std::fmt;

use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Secret;
#[cfg(feature = "fast-crypto")]
use super::fast::Ephemeral;

/// An X25519 public key as it travels.
pub type EphemeralPublic = [u8; 32];

/// The peer's key is a point of small order: the shared secret would be all zero, known to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the peer's X25519 key is a low-order point")]
pub struct LowOrderPoint;

/// One side's ephemeral key pair; the private half is zeroized when dropped.
pub struct EphemeralKey {
    private: Ephemeral,
    public: EphemeralPublic,
}

impl EphemeralKey {
    /// A new key pair, to be used for one handshake.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut private = Zeroizing::new([0; 32]);
        rng.fill_bytes(private.as_mut());
        let (private, public) = Ephemeral::new(&private);
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
        self.private.agree(peer).ok_or(LowOrderPoint)
    }
}

/// The private half.
#[cfg(not(feature = "fast-crypto"))]
struct Ephemeral(x25519_dalek::StaticSecret);

#[cfg(not(feature = "fast-crypto"))]
impl Ephemeral {
    fn new(private: &[u8; 32]) -> (Self, EphemeralPublic) {
        let private = x25519_dalek::StaticSecret::from(*private);
        let public = x25519_dalek::PublicKey::from(&private).to_bytes();
        (Self(private), public)
    }

    /// `None` if the result is all zero.
    fn agree(&self, peer: &EphemeralPublic) -> Option<Secret> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(*peer));
        shared.was_contributory().then(|| Secret::new(shared.to_bytes()))
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EphemeralKey").field("public", &self.public).finish_non_exhaustive()
    }
}
