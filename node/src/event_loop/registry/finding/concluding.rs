//! What the answers of a lookup amount to.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry::LookupId;
use peer_behaviours::secure;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Fingerprint, TrustView as _};
use peer_protocol::registry::{Key, Lookup, RegistryError, Resolution};

use super::waiting::{Waiter, Waiting};
use super::{Cached, Walk};
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::registry::dialable::is_dialable;
use crate::model::{Listing, Source};

impl EventLoop {
    pub(in crate::event_loop::registry) fn on_looked_up(
        &mut self,
        id: LookupId,
        lookup: Lookup,
        asked: usize,
        took: Duration,
    ) {
        let finding = &mut self.registry.finding;
        let Some(walk) = finding.walks.remove(&id) else { return };
        finding.by_key.remove(&walk.key);
        finding.waiting -= walk.waiting.len();
        let name = walk.waiting.first().map_or("", |waiter| &waiter.name).to_owned();
        let asked = asked + walk.before.unwrap_or_default();
        let outcome = self.conclude(&name, lookup, asked);
        let Some(walk) = self.try_name(&name, walk, &outcome, asked) else { return };
        // That nobody could be asked says nothing.
        if outcome.is_ok() || asked > 0 {
            let cached = Cached { at: self.clock.now().instant, outcome: outcome.clone() };
            self.registry.finding.cache.insert(walk.key, cached);
        }
        self.metrics().looked_up(outcome.as_ref().err(), asked, took);
        self.settle(walk.waiting, &outcome, asked, took);
    }

    /// An entity whose key is known is not there under that key. Whether its name stands under another
    /// is what its friends should hear of. Gives the walk back if there is nothing more to ask.
    fn try_name(
        &mut self,
        name: &str,
        walk: Walk,
        outcome: &Result<(Listing, Vec<Fingerprint>), NodeError>,
        asked: usize,
    ) -> Option<Walk> {
        let by_name = name.parse().map(|entity: EntityId| Key::of_entity(&entity));
        let missing = matches!(outcome, Err(NodeError::NotFound { .. }));
        let shown = |waiter: &Waiter| !matches!(waiter.what, Waiting::Addresses);
        let (Ok(key), true, true) = (by_name, missing, walk.waiting.iter().any(shown)) else {
            return Some(walk);
        };
        let is_key = name.parse::<PeerId>().is_ok() || name.parse::<Fingerprint>().is_ok();
        if key == walk.key || walk.before.is_some() || is_key {
            return Some(walk);
        }
        let registry = self.swarm.behaviour_mut().registry.as_mut()?;
        let Ok(id) = registry.lookup(key) else { return Some(walk) };
        let finding = &mut self.registry.finding;
        finding.waiting += walk.waiting.len();
        finding.by_key.insert(walk.key, id);
        finding.walks.insert(id, Walk { before: Some(asked), ..walk });
        None
    }

    /// What the answers amount to, together with the registry file.
    fn conclude(
        &mut self,
        name: &str,
        lookup: Lookup,
        asked: usize,
    ) -> Result<(Listing, Vec<Fingerprint>), NodeError> {
        let dropped = lookup.refusals().total();
        if dropped > 0 {
            tracing::debug!(name, dropped, "bad answers");
        }
        match lookup.finish(self.trust.as_ref()) {
            Ok(Resolution::Found { record, rivals }) => {
                self.learn_mailboxes(record.as_bytes());
                let record = record.into_record();
                let found = Fingerprint::of(&record.public_key);
                let listed = self.registry.file.find(name).filter(|it| it.fingerprint != found);
                if let Some(other) = listed.map(|listed| listed.fingerprint) {
                    let detail = format!(
                        "the registry lists it under the key {found}, the registry file under {other}"
                    );
                    // The operator's word counts.
                    return self.find_in_file(name, asked).map_err(|_| refused(name, detail));
                }
                let listing = self.listing(&record, Source::Registry);
                self.take_listing(&listing);
                Ok((listing, rivals))
            }
            Ok(Resolution::Withdrawn { .. }) => self.find_in_file(name, asked).map_err(|_| {
                let detail = "it has withdrawn from the registry, as a node does when it stops";
                NodeError::NotFound { peer: name.to_owned(), detail: detail.to_owned() }
            }),
            Ok(Resolution::Missing) => self.find_in_file(name, asked),
            Err(error @ (RegistryError::Trust(_) | RegistryError::Contested { .. })) => {
                self.find_in_file(name, asked).map_err(|_| refused(name, error.to_string()))
            }
            Err(error) => Err(NodeError::Registry { detail: error.to_string() }),
        }
    }

    pub(super) fn find_in_file(
        &mut self,
        name: &str,
        asked: usize,
    ) -> Result<(Listing, Vec<Fingerprint>), NodeError> {
        if let Some(listed) = self.registry.file.find(name).cloned() {
            if let Some(key) = secure::key_of(&listed.peer)
                && let Err(error) = self.trust.judge(&listed.entity, &key)
            {
                return Err(refused(name, error.to_string()));
            }
            let listing = self.file_listing(&listed);
            self.take_listing(&listing);
            return Ok((listing, Vec::new()));
        }
        let detail = match asked {
            0 if self.swarm.behaviour().registry.is_enabled() => {
                "no node of the registry could be asked".to_owned()
            }
            0 => "it does not stand in the registry file".to_owned(),
            asked => format!("the registry does not know it, after {asked} requests"),
        };
        Err(NodeError::NotFound { peer: name.to_owned(), detail })
    }

    /// Takes down where an entity is, so that it can be dialled. What it is called is for its session to
    /// prove: a name in the directory stands for a key.
    pub(super) fn take_listing(&mut self, listing: &Listing) {
        let Ok(id) = listing.peer_id.parse::<PeerId>() else { return };
        if id == *self.swarm.local_peer_id() {
            return;
        }
        let here = self.is_local_world();
        let local = here || self.listens_locally();
        let dialable = |address: &Multiaddr| match listing.source {
            Source::File => true,
            _ => is_dialable(address, local, here),
        };
        let parsed = listing.addresses.iter().filter_map(|text| text.parse::<Multiaddr>().ok());
        let full = parsed.filter_map(|address| address.with_p2p(id).ok()).filter(dialable);
        if let Some(peer) = self.directory.entry(id) {
            peer.listed = full.collect();
            peer.called = Some(listing.entity.clone());
        }
    }
}

fn refused(name: &str, detail: String) -> NodeError {
    let (peer, code) = (name.to_owned(), ErrorCode::InvalidSignature);
    NodeError::Refused { peer, code, detail }
}
