//! Whom the operator lets wake the agent.

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel, TrustView};

use crate::config::{WakePeer, WakeRule};

/// The first rule that allows the peer which proved to be `entity` with `key`; none allows a revoked one.
pub(crate) fn rule_for(
    rules: &[WakeRule],
    trust: &dyn TrustView,
    entity: &EntityId,
    key: &PublicKey,
) -> Option<usize> {
    let level = trust.level(entity, key);
    if level == Some(TrustLevel::Revoked) {
        return None;
    }
    let pinned = level == Some(TrustLevel::Pinned);
    let allows = |peer: &WakePeer| match peer {
        WakePeer::Pinned => pinned,
        // The first to come with a name need not be the one whom the operator means.
        WakePeer::Entity(named) => named == entity && (pinned || EntityId::derived(key) == *named),
        WakePeer::Key(fingerprint) => Fingerprint::of(key) == *fingerprint,
    };
    rules.iter().position(|rule| rule.peers.iter().any(allows))
}

#[cfg(test)]
mod tests {
    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use peer_protocol::identity::TrustPolicy;
    use peer_protocol::time::Timestamp;

    use super::*;
    use crate::config::Adapter;
    use crate::trust::SharedTrust;
    use crate::trust_file::TrustFile;

    fn key(seed: u8) -> PublicKey {
        Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
    }

    fn entity(name: &str) -> EntityId {
        name.parse().unwrap()
    }

    fn rules(peers: WakePeer) -> Vec<WakeRule> {
        let nobody = WakePeer::Key(Fingerprint::of(&key(99)));
        vec![
            WakeRule::new(vec![nobody], Adapter::Client),
            WakeRule::new(vec![peers], Adapter::Client),
        ]
    }

    fn trust() -> std::sync::Arc<SharedTrust> {
        let (trust, _) = SharedTrust::new(TrustFile::in_memory(TrustPolicy::Open));
        trust
    }

    #[tokio::test]
    async fn a_name_counts_once_it_is_pinned_or_if_the_key_derives_it() {
        let (trust, now) = (trust(), Timestamp::from_millis(1));
        let by_name = rules(WakePeer::Entity(entity("bob")));
        trust.admit(&entity("bob"), &key(1), now).unwrap();
        assert_eq!(rule_for(&by_name, &*trust, &entity("bob"), &key(1)), None, "only seen");
        drop(trust.pin(entity("bob"), Fingerprint::of(&key(1)), now));
        assert_eq!(rule_for(&by_name, &*trust, &entity("bob"), &key(1)), Some(1));
        assert_eq!(rule_for(&by_name, &*trust, &entity("bob"), &key(2)), None, "another key");
        assert_eq!(rule_for(&by_name, &*trust, &entity("eve"), &key(1)), None);
        let derived = EntityId::derived(&key(3));
        let by_derived = rules(WakePeer::Entity(derived.clone()));
        assert_eq!(rule_for(&by_derived, &*trust, &derived, &key(3)), Some(1));
    }

    #[tokio::test]
    async fn keys_count_by_themselves_and_revoked_ones_never() {
        let (trust, now) = (trust(), Timestamp::from_millis(1));
        let by_key = rules(WakePeer::Key(Fingerprint::of(&key(1))));
        let pinned = rules(WakePeer::Pinned);
        assert_eq!(rule_for(&by_key, &*trust, &entity("bob"), &key(1)), Some(1));
        assert_eq!(rule_for(&pinned, &*trust, &entity("bob"), &key(1)), None);
        drop(trust.pin(entity("bob"), Fingerprint::of(&key(1)), now));
        assert_eq!(rule_for(&pinned, &*trust, &entity("bob"), &key(1)), Some(1));
        drop(trust.revoke(Fingerprint::of(&key(1))));
        assert_eq!(rule_for(&by_key, &*trust, &entity("bob"), &key(1)), None);
        assert_eq!(rule_for(&pinned, &*trust, &entity("bob"), &key(1)), None);
    }

    #[tokio::test]
    async fn nothing_is_the_default() {
        assert_eq!(rule_for(&[], &*trust(), &entity("bob"), &key(1)), None);
    }
}
