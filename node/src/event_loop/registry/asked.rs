//! What a peer is told that asks this node itself, instead of the registry (`docs/PROTOCOL.md` §7).

use peer_behaviours::secure;
use peer_protocol::message::{Discovery, FoundEntity};

use crate::event_loop::EventLoop;
use crate::model::Listing;

/// Most entities in one answer.
const MOST: usize = 16;

impl EventLoop {
    /// What this entity can do, of `names`; everything if there are none.
    pub(in crate::event_loop) fn capabilities(&self, names: &[String]) -> Vec<String> {
        let own = self.registry.publisher.capabilities().iter().map(ToString::to_string);
        own.filter(|name| names.is_empty() || names.contains(name)).collect()
    }

    /// This entity, and those that this node looked up lately, as far as they match.
    pub(in crate::event_loop) fn known_entities(&self, query: &Discovery) -> Vec<FoundEntity> {
        let matches = |listing: &Listing| {
            let named = query.entity_id.as_ref().is_none_or(|entity| *entity == listing.entity);
            let able = |name: &String| listing.capabilities.contains(name);
            named && query.capability.as_ref().is_none_or(able)
        };
        // Whoever names nobody in particular is told about this entity alone.
        let particular = query.entity_id.is_some() || query.capability.is_some();
        let now = self.clock.now().instant;
        let others = self.registry.finding.fresh(now).filter(|_| particular).cloned();
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
