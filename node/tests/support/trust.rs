//! The trust list of a peer that a test plays.

use std::sync::{Mutex, MutexGuard, PoisonError};

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{Admission, EntityId, TrustError, TrustLevel, TrustStore, TrustView};
use peer_protocol::time::Timestamp;

#[derive(Default)]
pub(crate) struct Trust(Mutex<TrustStore>);

impl Trust {
    pub(crate) fn store(&self) -> MutexGuard<'_, TrustStore> {
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

    fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
        None
    }
}
