//! Keys of the mailbox (`docs/PROTOCOL.md` §18): X25519 pairs that wait on disk until somebody uses
//! them, and the key of one item.

use std::fmt;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Digest, EphemeralPublic, KEY_LEN, LowOrderPoint, Secret};

/// A prekey's X25519 pair; the private half is zeroized when dropped.
pub struct PrekeyPair {
    private: StaticSecret,
    public: EphemeralPublic,
}

impl PrekeyPair {
    /// A new pair.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::of(StaticSecret::random_from_rng(rng))
    }

    /// The pair of a stored private half.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        Self::of(StaticSecret::from(*secret.expose()))
    }

    fn of(private: StaticSecret) -> Self {
        let public = PublicKey::from(&private).to_bytes();
        Self { private, public }
    }

    /// The private half, for storing it.
    #[must_use]
    pub fn secret(&self) -> Secret {
        Secret::new(self.private.to_bytes())
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

impl fmt::Debug for PrekeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrekeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// `HKDF-SHA256(ikm = shared, salt = transcript, info = "peer-v1.1-mailbox-key")`: the AEAD key of one
/// item (§18.3).
#[must_use]
pub fn item_key(shared: &Secret, transcript: &Digest) -> Secret {
    let hkdf = Hkdf::<Sha256>::new(Some(transcript), shared.expose());
    let mut key = [0; KEY_LEN];
    expand(&hkdf, &mut key);
    Secret::new(key)
}

#[expect(clippy::expect_used, reason = "fails only for outputs longer than 255 SHA-256 outputs")]
fn expand(hkdf: &Hkdf<Sha256>, key: &mut [u8; KEY_LEN]) {
    hkdf.expand(b"peer-v1.1-mailbox-key", key).expect("a key is as long as a SHA-256 output");
}
