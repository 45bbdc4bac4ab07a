//! One search for providers: which keys to ask for, and which of those found to look up.

use std::collections::BTreeMap;

use libp2p_core::PeerId;
use peer_protocol::registry::{Capability, CapabilitySearch, Key, Lookup, Verified};
use peer_protocol::time::Instant;

use super::event::{Event, SearchId};
use crate::secure::key_of;

/// Most provider keys that one search asks for at once.
const SHARDS: usize = 3;
/// Most providers that one search looks up at once.
const LOOKUPS: usize = 8;
/// Nodes that have to name a provider. Twenty keep an announcement, unless they went or came since.
const NAMED: usize = 3;
/// What part of those who answered has to name it when that walk is over, if they are few.
const NAMED_SHARE: usize = 8;

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    own: PeerId,
    /// Whether this node has the capability itself.
    able: bool,
    capability: Capability,
    wanted: usize,
    walk: CapabilitySearch<PeerId>,
    /// Providers that wait to be looked up. Who is named by many comes first: a hostile node can
    /// invent twenty, each of which costs a walk, but honest ones do not repeat them.
    waiting: BTreeMap<PeerId, Named>,
    /// Answers for each key that is being asked for.
    shards: BTreeMap<Key, usize>,
    lookups: usize,
    started: Instant,
    found: usize,
    rejected: usize,
    keys: usize,
    asked: usize,
}

/// Who named a provider.
#[derive(Debug)]
struct Named {
    /// Nodes that did.
    by: usize,
    /// The key under which it was named first.
    under: Key,
}

/// A query that a search wants.
pub(super) enum Job {
    Shard(Key),
    Provider(PeerId),
}

impl Search {
    pub(super) fn new(
        own: PeerId,
        able: bool,
        capability: Capability,
        wanted: usize,
        started: Instant,
    ) -> Self {
        Self {
            own,
            able,
            walk: CapabilitySearch::new(capability.clone(), wanted),
            capability,
            wanted,
            waiting: BTreeMap::new(),
            shards: BTreeMap::new(),
            lookups: 0,
            started,
            found: 0,
            rejected: 0,
            keys: 0,
            asked: 0,
        }
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// The next query, if there is one that may run now.
    pub(super) fn next(&mut self) -> Option<Job> {
        let missing = self.wanted.saturating_sub(self.found);
        // Half of those looked up may well be wrong.
        if self.lookups < LOOKUPS.min(missing.saturating_mul(2))
            && let Some((&peer, named)) = self.waiting.iter().max_by_key(|(_, named)| named.by)
            && (named.by >= NAMED || !self.shards.contains_key(&named.under))
        {
            self.waiting.remove(&peer);
            self.lookups += 1;
            return Some(Job::Provider(peer));
        }
        if missing > 0 && self.shards.len() < SHARDS {
            let key = self.walk.next_key()?;
            self.shards.insert(key, 0);
            self.keys += 1;
            return Some(Job::Shard(key));
        }
        None
    }

    /// One node's answer for a provider key.
    pub(super) fn feed(&mut self, key: &Key, providers: impl IntoIterator<Item = PeerId>) {
        // Nodes leave out who asks.
        let own = self.able.then_some(self.own);
        let providers: Vec<_> = providers.into_iter().chain(own).collect();
        if let Some(answers) = self.shards.get_mut(key) {
            *answers += 1;
        }
        for peer in &providers {
            if let Some(named) = self.waiting.get_mut(peer) {
                named.by += 1;
            }
        }
        for peer in self.walk.feed(key, providers) {
            // A search is for others.
            if peer == self.own {
                self.walk.reject(peer);
            } else if key_of(&peer).is_none() {
                self.reject(peer);
            } else {
                self.waiting.insert(peer, Named { by: 1, under: *key });
            }
        }
    }

    /// The walk for a provider key is over: who was named by too few is not looked up.
    pub(super) fn answered(&mut self, key: &Key, asked: usize) {
        self.walk.answered(key);
        self.asked += asked;
        let answers = self.shards.remove(key).unwrap_or(0);
        let enough = answers.div_ceil(NAMED_SHARE).min(NAMED);
        let unlikely = |named: &Named| named.under == *key && named.by < enough;
        let unlikely = self.waiting.iter().filter(|(_, named)| unlikely(named));
        for peer in unlikely.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.waiting.remove(&peer);
            self.reject(peer);
        }
    }

    /// A provider was looked up. Only what it signed itself counts.
    pub(super) fn looked_up(
        &mut self,
        peer: PeerId,
        lookup: &Lookup,
        asked: usize,
    ) -> Option<Verified> {
        self.lookups -= 1;
        self.asked += asked;
        let record = key_of(&peer).and_then(|key| lookup.newest_of(&key)).filter(|verified| {
            let record = verified.record();
            !record.is_withdrawal() && record.capabilities.contains(&self.capability)
        });
        match record {
            Some(record) => {
                self.found += 1;
                Some(record.clone())
            }
            None => {
                self.reject(peer);
                None
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let idle = self.waiting.is_empty() && self.shards.is_empty() && self.lookups == 0;
        self.found >= self.wanted || idle && self.walk.is_done()
    }

    /// The event that ends it.
    pub(super) fn finish(&self, id: SearchId, now: Instant) -> Event {
        let Self { found, rejected, keys, asked, .. } = *self;
        Event::SearchDone { id, found, rejected, keys, asked, took: now.since(self.started) }
    }

    fn reject(&mut self, peer: PeerId) {
        if self.walk.reject(peer) {
            self.rejected += 1;
        }
    }
}
