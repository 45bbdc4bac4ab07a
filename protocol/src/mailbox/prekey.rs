//! Prekeys (`docs/PROTOCOL.md` §18.2): keys that an entity leaves with others, so that items can be
//! sealed to it while it is away.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::{BadSignature, EphemeralPublic, PublicKey, Signature};
use crate::id::PrekeyId;
use crate::identity::Identity;
use crate::limits::{MAX_CLOCK_SKEW, MAX_PREKEY_LIFE};
use crate::time::Timestamp;

/// Domain separation of prekey signatures.
const LABEL: &[u8; 16] = b"peer-v1.1-prekey";

/// The public half of a prekey, signed by its owner.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prekey {
    /// Which one it is.
    pub id: PrekeyId,
    /// Its X25519 key.
    #[serde(with = "serde_bytes")]
    pub key: EphemeralPublic,
    /// From when on nothing may be sealed to it.
    pub expires: Timestamp,
    /// Its owner's, over all of it.
    #[serde(with = "serde_bytes")]
    pub signature: Signature,
}

/// Why a prekey is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrekeyError {
    /// Its owner did not sign it.
    #[error("the prekey is not its owner's: {0}")]
    Signature(#[from] BadSignature),
    /// Its life is over.
    #[error("the prekey's life was over {} s ago", ago.as_secs())]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// It wants to live longer than any prekey may.
    #[error("the prekey ends in {} s; at most {} s are allowed", ahead.as_secs(), MAX_PREKEY_LIFE.as_secs())]
    TooLong {
        /// When it ends, from now.
        ahead: Duration,
    },
}

impl Prekey {
    /// The prekey `id` of `identity`, with the public half `key`.
    #[must_use]
    pub fn sign(
        identity: &Identity,
        id: PrekeyId,
        key: EphemeralPublic,
        expires: Timestamp,
    ) -> Self {
        let signature = identity.sign(&signed_message(identity.public_key(), &id, &key, expires));
        Self { id, key, expires, signature }
    }

    /// Checks that it is a prekey of `owner` that may be used now.
    ///
    /// # Errors
    /// [`PrekeyError`] says why not.
    pub fn verify(&self, owner: &PublicKey, now: Timestamp) -> Result<(), PrekeyError> {
        self.check_life(now)?;
        let message = signed_message(owner, &self.id, &self.key, self.expires);
        Ok(owner.verify(&message, &self.signature)?)
    }

    /// Checks its life alone, which costs nothing.
    ///
    /// # Errors
    /// [`PrekeyError`] if it is over, or longer than any may be.
    pub fn check_life(&self, now: Timestamp) -> Result<(), PrekeyError> {
        if self.expires <= now {
            return Err(PrekeyError::Expired { ago: now.distance(self.expires) });
        }
        let ahead = self.expires.distance(now);
        if ahead > MAX_PREKEY_LIFE + MAX_CLOCK_SKEW {
            return Err(PrekeyError::TooLong { ahead });
        }
        Ok(())
    }
}

impl fmt::Debug for Prekey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prekey")
            .field("id", &self.id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What the owner signs: `label ‖ id ‖ key ‖ owner ‖ expires`, the last as 8 bytes.
fn signed_message(
    owner: &PublicKey,
    id: &PrekeyId,
    key: &EphemeralPublic,
    expires: Timestamp,
) -> Vec<u8> {
    let expires = expires.as_millis().to_be_bytes();
    [&LABEL[..], id.as_bytes(), key, owner.as_bytes(), &expires].concat()
}
