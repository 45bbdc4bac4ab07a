//! Looking entities up: for callers who name somebody whom this node does not know, for peers that
//! are not where they were, and for `peer lookup`.
//!
//! What is found is remembered for a while, and one lookup serves all who wait for the same name.
//! `concluding` says what answers amount to, `waiting` tells those who wait.

mod concluding;
mod waiting;

use std::collections::HashMap;
use std::time::Duration;

use hashlink::LruCache;
use libp2p::PeerId;
use peer_behaviours::registry::LookupId;
use peer_behaviours::secure;
use peer_protocol::identity::{Fingerprint, TrustView as _};
use peer_protocol::registry::Key;
use peer_protocol::time::Instant;

use self::waiting::{Waiter, Waiting};
use super::off;
use super::wanted::Wanted;
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::{Command, Reply};
use crate::model::{Found, Listing, Source};

/// How long a finding holds.
const FRESH: Duration = Duration::from_secs(600);
/// How long it holds that nobody was found.
const MISSING: Duration = Duration::from_secs(2);
/// How often the addresses of one peer are looked up anew.
const READDRESS: Duration = Duration::from_secs(10);
/// Most findings remembered.
const REMEMBERED: usize = 1024;
/// Most callers that wait for lookups.
const MAX_WAITING: usize = 1024;

/// Lookups under way, and what was found lately.
pub(super) struct Finding {
    walks: HashMap<LookupId, Walk>,
    by_key: HashMap<Key, LookupId>,
    waiting: usize,
    cache: LruCache<Key, Cached>,
    /// When the addresses of a peer were last asked for.
    readdressed: LruCache<PeerId, Instant>,
}

impl Default for Finding {
    fn default() -> Self {
        Self {
            walks: HashMap::new(),
            by_key: HashMap::new(),
            waiting: 0,
            cache: LruCache::new(REMEMBERED),
            readdressed: LruCache::new(REMEMBERED),
        }
    }
}

impl Finding {
    /// What was found lately.
    pub(super) fn fresh(&self, now: Instant) -> impl Iterator<Item = &Listing> {
        let fresh = self.cache.iter().filter(move |(_, cached)| cached.holds(now));
        fresh.filter_map(|(_, cached)| cached.outcome.as_ref().ok().map(|(listing, _)| listing))
    }
}

/// One lookup, and who waits for it.
struct Walk {
    key: Key,
    /// Requests of the walk before this one, if there was one for the same callers.
    before: Option<usize>,
    waiting: Vec<Waiter>,
}

/// What was found lately.
struct Cached {
    at: Instant,
    outcome: Result<(Listing, Vec<Fingerprint>), NodeError>,
}

impl Cached {
    fn holds(&self, now: Instant) -> bool {
        now.since(self.at) < if self.outcome.is_ok() { FRESH } else { MISSING }
    }
}

impl EventLoop {
    /// Gives back a command that can be carried out now; keeps one whose peer must be found first.
    pub(in crate::event_loop) fn find_peer_first(&mut self, command: Command) -> Option<Command> {
        let Some((name, timeout)) = command.peer() else { return Some(command) };
        let name = name.to_owned();
        let unknown = matches!(self.resolve(&name), Err(NodeError::UnknownPeer { .. }));
        if !unknown || !self.has_registry() || self.wanted(&name).is_none() {
            return Some(command);
        }
        let now = self.clock.now().instant;
        let waiter = Waiter {
            name,
            deadline: now + timeout,
            since: now,
            what: Waiting::Command(Box::new(command)),
        };
        self.find(waiter, false);
        None
    }

    pub(super) fn look_up(
        &mut self,
        name: String,
        fresh: bool,
        timeout: Duration,
        reply: Reply<Found>,
    ) {
        if !self.has_registry() {
            drop(reply.send(Err(off())));
            return;
        }
        let now = self.clock.now().instant;
        let own = name == self.identity.entity().as_str()
            || name == self.swarm.local_peer_id().to_string()
            || name == self.identity.fingerprint().to_string();
        if own && !fresh {
            let listing = self.own_listing();
            let found = Found { listing, rivals: Vec::new(), asked: 0, took_ms: 0 };
            drop(reply.send(Ok(found)));
            return;
        }
        let what = Waiting::Lookup(reply);
        self.find(Waiter { name, deadline: now + timeout, since: now, what }, fresh);
    }

    /// A peer is not where it was: asks the registry where it is now, if somebody here wants to know.
    /// What a stranger writes into its record must not be dialled for the stranger's sake. Returns
    /// whether the registry is asked.
    pub(in crate::event_loop) fn find_addresses(&mut self, id: PeerId) -> bool {
        let wanted = self.directory.get(&id).is_some_and(|peer| {
            peer.wanted || peer.redial.is_kept() || self.trust.is_pinned(peer.fingerprint)
        });
        if self.stopping || !wanted || !self.has_registry() {
            return false;
        }
        let now = self.clock.now().instant;
        let lately = self.registry.finding.readdressed.get(&id);
        if lately.is_some_and(|at| now.since(*at) < READDRESS) {
            return false;
        }
        self.registry.finding.readdressed.insert(id, now);
        let deadline = now + Duration::from_secs(60);
        let what = Waiting::Addresses;
        self.find(Waiter { name: id.to_string(), deadline, since: now, what }, true);
        true
    }

    /// Looks `waiter`'s name up, or joins the lookup that is under way.
    fn find(&mut self, waiter: Waiter, fresh: bool) {
        let Some(Wanted { key, .. }) = self.wanted(&waiter.name) else {
            let detail = format!("{:?} is no entity id, peer id or fingerprint", waiter.name);
            return self.found_nobody(waiter, NodeError::Invalid { detail });
        };
        let now = waiter.since;
        let finding = &mut self.registry.finding;
        if finding.waiting >= MAX_WAITING {
            let (peer, detail) = (waiter.name.clone(), "too many lookups wait".to_owned());
            return self.found_nobody(waiter, NodeError::QueueFull { peer, detail });
        }
        if let Some(walk) = finding.by_key.get(&key).and_then(|id| finding.walks.get_mut(id)) {
            finding.waiting += 1;
            walk.waiting.push(waiter);
            return;
        }
        let cached = finding.cache.get(&key).filter(|cached| !fresh && cached.holds(now));
        if let Some(outcome) = cached.map(|cached| cached.outcome.clone()) {
            let outcome = outcome.map(|(listing, rivals)| {
                // The directory may have forgotten it.
                self.take_listing(&listing);
                let key = listing.peer_id.parse().ok().and_then(|id| secure::key_of(&id));
                let trust = key.and_then(|key| self.trust.level(&listing.entity, &key));
                (Listing { source: Source::Cache, trust, ..listing }, rivals)
            });
            return self.settle(vec![waiter], &outcome, 0, Duration::ZERO);
        }
        let begun = self.swarm.behaviour_mut().registry.as_mut().map(|it| it.lookup(key));
        match begun {
            Some(Ok(id)) => {
                finding.waiting += 1;
                finding.by_key.insert(key, id);
                finding.walks.insert(id, Walk { key, before: None, waiting: vec![waiter] });
            }
            Some(Err(busy)) => {
                let error = NodeError::Registry { detail: busy.to_string() };
                self.found_nobody(waiter, error);
            }
            None => {
                let outcome = self.find_in_file(&waiter.name, 0);
                self.settle(vec![waiter], &outcome, 0, Duration::ZERO);
            }
        }
    }

    /// What a name asks for, by what is known of the name.
    fn wanted(&self, name: &str) -> Option<Wanted> {
        Wanted::of(name, |entity| {
            let listed = || self.registry.file.find(entity.as_str()).map(|it| it.fingerprint);
            self.trust.fingerprint(entity).or_else(listed)
        })
    }

    /// Whom to trust has changed: what was found under the old rules is asked for anew.
    pub(in crate::event_loop) fn forget_findings(&mut self) {
        self.registry.finding.cache.clear();
    }
}
