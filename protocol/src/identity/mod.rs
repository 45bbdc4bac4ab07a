//! Who an entity is (`docs/PROTOCOL.md` §1): key, fingerprint, entity id, and whom to trust.

mod entity_id;
mod fingerprint;
mod trust;

use std::fmt;
use std::sync::Arc;

pub use entity_id::{EntityId, EntityIdError, Imitated};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use trust::{
    Admission, TrustEntry, TrustError, TrustLevel, TrustPolicy, TrustStore, TrustView,
};

use crate::crypto::{Authenticator, PublicKey, Signature};

/// This entity: its id and what signs for it. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    entity: EntityId,
    alias: EntityId,
    key: PublicKey,
    authenticator: Arc<dyn Authenticator>,
}

impl Identity {
    /// An identity named `entity`, or by its key if there is no name.
    ///
    /// # Errors
    /// [`EntityIdError::Reserved`] if the name is one that another key derives.
    pub fn new(
        entity: Option<EntityId>,
        authenticator: Arc<dyn Authenticator>,
    ) -> Result<Self, EntityIdError> {
        let key = authenticator.public_key();
        let alias = EntityId::derived(&key);
        let entity = entity.unwrap_or_else(|| alias.clone());
        entity.check_key(&key)?;
        Ok(Self { entity, alias, key, authenticator })
    }

    /// The id that peers see.
    #[must_use]
    pub const fn entity(&self) -> &EntityId {
        &self.entity
    }

    /// The public key, from which the libp2p `PeerId` is derived too.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.key)
    }

    /// Whether `recipient` means this entity: its id, or the id its key derives.
    #[must_use]
    pub fn answers_to(&self, recipient: &EntityId) -> bool {
        *recipient == self.entity || *recipient == self.alias
    }

    /// Signs `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.authenticator.sign(message)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("entity", &self.entity).field("key", &self.key).finish()
    }
}

#[cfg(test)]
mod tests;
