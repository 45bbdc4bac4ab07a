//! What a peer is told that asks this node itself, instead of the registry (`docs/PROTOCOL.md` §7).

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::identity::Fingerprint;
use peer_protocol::message::{Discovery, FoundEntity};

use crate::event_loop::EventLoop;
use crate::model::{Listing, Source};

/// Most entities in one answer.
const MOST: usize = 16;

impl EventLoop {
    /// What this entity can do, of `names`; everything if there are none.
    pub(in crate::event_loop) fn capabilities(&self, names: &[String]) -> Vec<String> {
        let own = self.registry.publisher.capabilities().iter().map(ToString::to_string);
        own.filter(|name| names.is_empty() || names.contains(name)).collect()
    }

    /// This entity and, for a peer that the operator has pinned, those that this node found in the
    /// registry lately, as far as they match. Whom it looks for is nobody else's business.
    pub(in crate::event_loop) fn known_entities(
        &self,
        from: &PeerId,
        query: &Discovery,
    ) -> Vec<FoundEntity> {
        let friend = secure::key_of(from).map(|key| Fingerprint::of(&key));
        let friend = friend.is_some_and(|fingerprint| self.trust.is_pinned(fingerprint));
        let matches = |listing: &Listing| {
            let named = query.entity_id.as_ref().is_none_or(|entity| *entity == listing.entity);
            let able = |name: &String| listing.capabilities.contains(name);
            named && query.capability.as_ref().is_none_or(able)
        };
        // Whoever names nobody in particular is told about this entity alone.
        let particular = query.entity_id.is_some() || query.capability.is_some();
        let now = self.clock.now().instant;
        let public = |listing: &&Listing| friend && particular && listing.source != Source::File;
        let others = self.registry.finding.fresh(now).filter(public).cloned();
        let all = std::iter::once(self.own_listing()).chain(others);
        all.filter(matches).filter_map(found).take(MOST).collect()
    }
}

fn found(listing: Listing) -> Option<FoundEntity> {
    let key = secure::key_of(&listing.peer_id.parse().ok()?)?;
    Some(FoundEntity {
        addresses: listing.addresses,
        entity_id: listing.entity,
        public_key: *key.as_bytes(),
        capabilities: listing.capabilities,
    })
}
