//! Looking entities up: for callers who name somebody whom this node does not know, for peers that
//! are not where they were, and for `peer lookup`.
//!
//! What is found is remembered for a while, and one lookup serves all who wait for the same name.

use std::collections::HashMap;
use std::time::Duration;

use hashlink::LruCache;
use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry::LookupId;
use peer_behaviours::secure;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::registry::{Key, Lookup, Record, RegistryError, Resolution};
use peer_protocol::time::Instant;

use super::off;
use super::publishing::millis;
use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::handle::{Command, Reply};
use crate::model::{Found, Listing, Source};
use crate::registry_file::Listed;

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
    waiting: Vec<Waiter>,
}

struct Waiter {
    name: String,
    deadline: Instant,
    since: Instant,
    what: Waiting,
}

enum Waiting {
    /// To carry on with a command.
    Command(Box<Command>),
    /// To show what was found.
    Lookup(Reply<Found>),
    /// To dial a peer where it is now.
    Addresses,
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

/// What a name asks the registry for.
struct Wanted {
    key: Key,
    /// The key that the entity must have, where the name says so.
    fingerprint: Option<Fingerprint>,
}

impl Wanted {
    fn of(name: &str) -> Option<Self> {
        if name.starts_with('/') {
            return None;
        }
        if let Ok(id) = name.parse::<PeerId>() {
            let key = secure::key_of(&id)?;
            let fingerprint = Some(Fingerprint::of(&key));
            return Some(Self { key: Key::of_entity(&EntityId::derived(&key)), fingerprint });
        }
        if let Ok(fingerprint) = name.parse::<Fingerprint>() {
            let key = Key::of_entity(&EntityId::of_fingerprint(&fingerprint));
            return Some(Self { key, fingerprint: Some(fingerprint) });
        }
        let entity: EntityId = name.parse().ok()?;
        Some(Self { key: Key::of_entity(&entity), fingerprint: None })
    }
}

impl EventLoop {
    /// Gives back a command that can be carried out now; keeps one whose peer must be found first.
    pub(in crate::event_loop) fn find_peer_first(&mut self, command: Command) -> Option<Command> {
        let Some((name, timeout)) = command.peer() else { return Some(command) };
        let unknown = matches!(self.directory.resolve(name), Err(NodeError::UnknownPeer { .. }));
        if !unknown || !self.has_registry() || Wanted::of(name).is_none() {
            return Some(command);
        }
        let now = self.clock.now().instant;
        let waiter = Waiter {
            name: name.to_owned(),
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

    /// A peer is not where it was: asks the registry where it is now. Returns whether it does.
    pub(in crate::event_loop) fn find_addresses(&mut self, id: PeerId) -> bool {
        if self.stopping || !self.has_registry() {
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
        let Some(Wanted { key, .. }) = Wanted::of(&waiter.name) else {
            let peer = waiter.name.clone();
            let detail = "this is no entity id, peer id or fingerprint".to_owned();
            return self.found_nobody(waiter, NodeError::NotFound { peer, detail });
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
            let outcome = outcome
                .map(|(listing, rivals)| (Listing { source: Source::Cache, ..listing }, rivals));
            return self.settle(vec![waiter], &outcome, 0, Duration::ZERO);
        }
        let begun = self.swarm.behaviour_mut().registry.as_mut().map(|it| it.lookup(key));
        match begun {
            Some(Ok(id)) => {
                finding.waiting += 1;
                finding.by_key.insert(key, id);
                finding.walks.insert(id, Walk { key, waiting: vec![waiter] });
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

    pub(super) fn on_looked_up(
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
        let outcome = self.resolve(&name, lookup, asked);
        // That nobody could be asked says nothing.
        if outcome.is_ok() || asked > 0 {
            let cached = Cached { at: self.clock.now().instant, outcome: outcome.clone() };
            self.registry.finding.cache.insert(walk.key, cached);
        }
        self.settle(walk.waiting, &outcome, asked, took);
    }

    /// What the answers amount to, together with the registry file.
    fn resolve(
        &mut self,
        name: &str,
        lookup: Lookup,
        asked: usize,
    ) -> Result<(Listing, Vec<Fingerprint>), NodeError> {
        let refused = lookup.refusals().total();
        if refused > 0 {
            tracing::debug!(name, refused, "bad answers were dropped");
        }
        match lookup.finish(self.trust.as_ref()) {
            Ok(Resolution::Found { record, rivals }) => {
                let record = record.into_record();
                let found = Fingerprint::of(&record.public_key);
                if let Some(listed) = self.registry.file.find(name)
                    && listed.fingerprint != found
                {
                    let other = listed.fingerprint;
                    let detail = format!(
                        "the registry lists it under the key {found}, the registry file under {other}"
                    );
                    let (peer, code) = (name.to_owned(), ErrorCode::InvalidSignature);
                    return Err(NodeError::Refused { peer, code, detail });
                }
                Ok((self.list(&record), rivals))
            }
            Ok(Resolution::Withdrawn { .. }) => self.find_in_file(name, asked).map_err(|_| {
                let detail = "it has withdrawn from the registry, as a node does when it stops";
                NodeError::NotFound { peer: name.to_owned(), detail: detail.to_owned() }
            }),
            Ok(Resolution::Missing) => self.find_in_file(name, asked),
            Err(error @ (RegistryError::Trust(_) | RegistryError::Contested { .. })) => {
                let (peer, code) = (name.to_owned(), ErrorCode::InvalidSignature);
                Err(NodeError::Refused { peer, code, detail: error.to_string() })
            }
            Err(error) => Err(NodeError::Registry { detail: error.to_string() }),
        }
    }

    fn find_in_file(
        &mut self,
        name: &str,
        asked: usize,
    ) -> Result<(Listing, Vec<Fingerprint>), NodeError> {
        if let Some(listed) = self.registry.file.find(name).cloned() {
            return Ok((self.list_find_in_file(&listed), Vec::new()));
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

    /// Takes a record into the directory, so that its entity can be dialled.
    pub(super) fn list(&mut self, record: &Record) -> Listing {
        let id = secure::peer_id_of(&record.public_key);
        if let Some(id) = id {
            let addresses = dialable(id, &record.addresses);
            self.take_listing(id, &record.entity, addresses);
        }
        self.listing(record, Source::Registry)
    }

    fn list_find_in_file(&mut self, listed: &Listed) -> Listing {
        self.take_listing(listed.peer, &listed.entity, listed.addresses.clone());
        self.file_listing(listed)
    }

    fn take_listing(&mut self, id: PeerId, entity: &EntityId, addresses: Vec<Multiaddr>) {
        if id == *self.swarm.local_peer_id() {
            return;
        }
        if let Some(peer) = self.directory.entry(id) {
            peer.listed = addresses;
            // A session proves it; until then the entity's own signature, and the trust list, do.
            peer.entity.get_or_insert_with(|| entity.clone());
        }
    }

    /// Tells everybody who waited.
    fn settle(
        &mut self,
        waiting: Vec<Waiter>,
        outcome: &Result<(Listing, Vec<Fingerprint>), NodeError>,
        asked: usize,
        took: Duration,
    ) {
        for waiter in waiting {
            let wanted = Wanted::of(&waiter.name).and_then(|wanted| wanted.fingerprint);
            match outcome {
                Ok((listing, _)) if wanted.is_some_and(|it| it != listing.fingerprint) => {
                    let peer = waiter.name.clone();
                    let detail = "its record is not there".to_owned();
                    self.found_nobody(waiter, NodeError::NotFound { peer, detail });
                }
                Ok((listing, rivals)) => {
                    let found = Found {
                        listing: listing.clone(),
                        rivals: rivals.clone(),
                        asked,
                        took_ms: millis(took),
                    };
                    self.found_somebody(waiter, found);
                }
                Err(error) => self.found_nobody(waiter, error.clone()),
            }
        }
    }

    fn found_somebody(&mut self, waiter: Waiter, found: Found) {
        match waiter.what {
            Waiting::Lookup(reply) => drop(reply.send(Ok(found))),
            Waiting::Command(command) => {
                let waited = self.clock.now().instant.since(waiter.since);
                self.carry_out(command.after(waited));
            }
            Waiting::Addresses => {
                if let Ok(id) = found.listing.peer_id.parse() {
                    self.dial_listed(id);
                }
            }
        }
    }

    fn found_nobody(&mut self, waiter: Waiter, error: NodeError) {
        match waiter.what {
            Waiting::Lookup(reply) => drop(reply.send(Err(error))),
            Waiting::Command(command) => command.fail(error),
            Waiting::Addresses => {
                tracing::debug!(peer = waiter.name, %error, "not found in the registry");
            }
        }
    }

    pub(super) fn tick_finding(&mut self, now: Instant) {
        let mut over = Vec::new();
        let finding = &mut self.registry.finding;
        for walk in finding.walks.values_mut() {
            let (late, waiting) = std::mem::take(&mut walk.waiting)
                .into_iter()
                .partition(|waiter: &Waiter| waiter.deadline <= now);
            walk.waiting = waiting;
            over.extend::<Vec<_>>(late);
        }
        finding.waiting -= over.len();
        for waiter in over {
            let waited = now.since(waiter.since);
            let progress = "it is still being looked up in the registry".to_owned();
            let error = NodeError::Timeout { peer: waiter.name.clone(), waited, progress };
            self.found_nobody(waiter, error);
        }
    }
}

/// The addresses of a record that make sense, each with the peer id that must answer there.
fn dialable(id: PeerId, addresses: &[String]) -> Vec<Multiaddr> {
    let parsed = addresses.iter().filter_map(|text| text.parse::<Multiaddr>().ok());
    parsed.filter_map(|address| address.with_p2p(id).ok()).collect()
}
