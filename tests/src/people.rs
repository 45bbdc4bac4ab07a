//! Entities with fixed keys, and what they trust.

use std::sync::{Arc, Mutex, PoisonError};

use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::identity::{
    Admission, EntityId, Fingerprint, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::time::Timestamp;

/// Entity number `number`, always with the same key and name.
#[must_use]
pub fn identity(number: usize) -> Identity {
    let seed = [u8::try_from(number + 1).unwrap_or(u8::MAX); 32];
    let name = format!("entity_{number}").parse().expect("a valid entity id");
    Identity::new(Some(name), Arc::new(Ed25519Authenticator::from_seed(&seed)))
        .expect("the name is not reserved")
}

/// A trust store that one node's links share.
#[derive(Debug, Default)]
pub struct Trust(Mutex<TrustStore>);

impl Trust {
    /// A store in which entity number `number` is pinned.
    #[must_use]
    pub fn pinning(number: usize) -> Self {
        let trust = Self::default();
        let identity = identity(number);
        let key = Fingerprint::of(identity.public_key());
        trust.store().pin(identity.entity().clone(), key, Timestamp::from_millis(0));
        trust
    }

    fn store(&self) -> std::sync::MutexGuard<'_, TrustStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.store().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.store().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.store().level(entity, key)
    }
}
