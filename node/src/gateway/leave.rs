//! Who may write through the gateway, and be written to (`docs/PROTOCOL.md` §13.9).

use std::collections::BTreeSet;
use std::sync::Arc;

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{EntityId, TrustLevel, TrustView as _};

use crate::trust::SharedTrust;

/// Why a name on the list may have no leave.
pub(crate) const UNPINNED: &str = "this gateway's operator has not pinned that name to a key";

/// The operator's list. A name on it stands for one key: the one to which the operator has pinned it, or
/// the one from which it is derived. The first to come with a name need not be the one who is meant.
#[derive(Debug)]
pub(crate) struct Leave {
    listed: BTreeSet<EntityId>,
    trust: Arc<SharedTrust>,
}

impl Leave {
    pub(crate) fn new(listed: &[EntityId], trust: Arc<SharedTrust>) -> Self {
        Self { listed: listed.iter().cloned().collect(), trust }
    }

    /// The names on the list.
    pub(crate) const fn listed(&self) -> &BTreeSet<EntityId> {
        &self.listed
    }

    /// Whether the peer which proved to be `entity` with `key` may write.
    pub(super) fn has(&self, entity: &EntityId, key: &PublicKey) -> bool {
        let known = match self.trust.level(entity, key) {
            Some(TrustLevel::Pinned) => true,
            Some(TrustLevel::Revoked) => false,
            Some(TrustLevel::Seen) | None => EntityId::derived(key) == *entity,
        };
        known && self.listed.contains(entity)
    }

    /// What to call `entity` so that only the one who is meant is reached; none if it has no leave.
    pub(crate) fn way_to(&self, entity: &EntityId) -> Option<String> {
        if !self.listed.contains(entity) {
            return None;
        }
        match self.trust.pinned_to(entity) {
            Some(fingerprint) => Some(fingerprint.to_string()),
            None => entity.has_derived_shape().then(|| entity.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use peer_protocol::identity::{Fingerprint, TrustPolicy};
    use peer_protocol::time::Timestamp;

    use super::*;
    use crate::trust_file::TrustFile;

    fn key(seed: u8) -> PublicKey {
        Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
    }

    #[tokio::test]
    async fn a_name_has_leave_once_it_is_pinned_or_if_the_key_derives_it() {
        let (trust, _saves) = SharedTrust::new(TrustFile::in_memory(TrustPolicy::Open));
        let now = Timestamp::from_millis(1);
        let (bob, derived): (EntityId, _) = ("bob".parse().unwrap(), EntityId::derived(&key(3)));
        let leave = Leave::new(&[bob.clone(), derived.clone()], Arc::clone(&trust));

        trust.admit(&bob, &key(1), now).unwrap();
        assert!(!leave.has(&bob, &key(1)), "only seen");
        assert_eq!(leave.way_to(&bob), None);
        let fingerprint = Fingerprint::of(&key(1));
        drop(trust.pin(bob.clone(), fingerprint, now));
        assert!(leave.has(&bob, &key(1)) && !leave.has(&bob, &key(2)));
        assert_eq!(leave.way_to(&bob), Some(fingerprint.to_string()));
        drop(trust.revoke(fingerprint));
        assert!(!leave.has(&bob, &key(1)));
        assert_eq!(leave.way_to(&bob), None);

        assert!(leave.has(&derived, &key(3)) && !leave.has(&derived, &key(2)));
        assert_eq!(leave.way_to(&derived), Some(derived.to_string()));
        let eve: EntityId = "eve".parse().unwrap();
        drop(trust.pin(eve.clone(), Fingerprint::of(&key(4)), now));
        assert!(!leave.has(&eve, &key(4)), "not on the list");
        assert_eq!(leave.way_to(&eve), None);
    }
}
