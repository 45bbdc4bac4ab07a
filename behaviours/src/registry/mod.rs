//! The registry in libp2p's Kademlia, `/peer/kad/1.0.0` (`docs/PROTOCOL.md` §11.7).
//!
//! Kademlia carries; what is believed, kept and counted follows `peer_protocol::registry`.
//!
//! - `store`, `source`, `saved`: what this node keeps, from whom, and on disk.
//! - `publisher`, `lookup`, `search`, `queries`: what this node asks of others.
//! - `table`, `addresses`, `conduct`, `dials`: whom it asks.
//!
//! Inbound streams have no timeout in libp2p (rust-libp2p #5981). What bounds them: 32 to a
//! connection, of 32 KiB at most, and the limits on connections for each peer and network.
//! A refused record costs one of them (see `swarm`).

mod addresses;
mod conduct;
mod config;
mod dials;
mod event;
mod lookup;
mod publisher;
mod queries;
pub(crate) mod saved;
mod search;
mod source;
mod store;
mod swarm;
mod table;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use libp2p_core::PeerId;
use libp2p_kad as kad;
use libp2p_swarm::ConnectionId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::EntityId;
use peer_protocol::limits::MAX_CLOCK_SKEW;
use peer_protocol::registry::{Capability, Key, Origin, Record, Shard, SignedRecord};
use peer_protocol::time::{Instant, Timestamp};
use tokio::time::Sleep;

pub use self::config::{Config, Mode, PROTOCOL};
pub use self::event::{Busy, Event, LookupId, NotStored, PublishError, PublishId, SearchId};
pub use self::saved::{KeyChange, Space, StoredEntry};
pub use self::table::{Bucket, TableStatus};

use self::addresses::Met;
use self::conduct::Conduct;
use self::dials::Dials;
use self::publisher::{Publisher, Task, What};
use self::queries::{Purpose, Queries, WaitingLookup};
use self::search::Search;
use self::store::Store;
use self::swarm::Connection;
use crate::clock::Clock;
use crate::secure::key_of;

/// Most lookups that wait.
const MAX_LOOKUPS: usize = 256;
/// Most searches at once.
const MAX_SEARCHES: usize = 32;
/// How often what has expired is thrown out. Nothing expired is ever served.
const SWEEP: Duration = Duration::from_secs(60);
/// Most changed keys that are told at once.
const MAX_CHANGES: usize = 512;

/// The behaviour. It starts as a client.
pub struct Behaviour {
    kad: kad::Behaviour<Store>,
    clock: Arc<dyn Clock>,
    own: PeerId,
    own_key: Option<PublicKey>,
    mode: Mode,
    local_addresses: bool,
    met: Met,
    search_timeout: Duration,
    queries: Queries,
    searches: BTreeMap<SearchId, Search>,
    /// Whose turn it is among the searches; those that are over fall out when theirs comes.
    turns: VecDeque<SearchId>,
    publisher: Publisher,
    conduct: Conduct,
    dials: Dials,
    connections: HashMap<ConnectionId, Connection>,
    /// Connections to close; each is in it at most once.
    closing: VecDeque<(PeerId, ConnectionId)>,
    /// Peers in the table when that was last told.
    peers: usize,
    next_id: u64,
    sweep: Instant,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    /// A few for each event of libp2p's; drained before the next one is taken.
    pending: VecDeque<Event>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// The registry of the node `own`. It publishes only if that is the id of an Ed25519 key.
    #[must_use]
    pub fn new(own: PeerId, config: Config) -> Self {
        let now = config.clock.now().instant;
        let mut kad = kad::Behaviour::with_config(own, Store::new(own, &config), config.kad());
        kad.set_mode(Some(kad::Mode::Client));
        Self {
            kad,
            own,
            own_key: key_of(&own),
            mode: Mode::Client,
            local_addresses: config.local_addresses,
            met: Met::default(),
            search_timeout: config.search_timeout,
            queries: Queries::default(),
            searches: BTreeMap::new(),
            turns: VecDeque::new(),
            publisher: Publisher::new(now),
            conduct: Conduct::new(),
            dials: Dials::new(config.request_timeout),
            connections: HashMap::new(),
            closing: VecDeque::new(),
            peers: 0,
            next_id: 0,
            sweep: now + SWEEP,
            timer: None,
            pending: VecDeque::new(),
            waker: None,
            clock: config.clock,
        }
    }

    /// Takes back what [`Behaviour::take_changes`] gave before a restart; returns how many entries
    /// were taken. Each is checked again: disks are written by others too. What was taken counts as
    /// changed, so that the disk may be emptied before the first changes are written.
    pub fn restore(&mut self, entries: impl IntoIterator<Item = StoredEntry>) -> usize {
        let now = self.clock.now().timestamp;
        let (own, store) = (self.own, self.kad.store_mut());
        entries.into_iter().filter(|entry| store.restore(&own, entry.clone(), now)).count()
    }

    /// What changed in the stores since the last call, at most 512 keys at a time.
    pub fn take_changes(&mut self) -> Vec<KeyChange> {
        self.kad.store_mut().take_changes(MAX_CHANGES)
    }

    /// Whether this node serves others from now on. It should if its peers can dial it, by an
    /// address of its own: over a relay they cannot.
    pub fn set_mode(&mut self, mode: Mode) {
        if self.mode != mode {
            self.mode = mode;
            self.kad.set_mode(Some(match mode {
                Mode::Client => kad::Mode::Client,
                Mode::Server => kad::Mode::Server,
            }));
            self.wake();
        }
    }

    /// Whether this node serves others.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Publishes this node's record under every key that it stands under, announces what it can do,
    /// and refreshes both every hour. A record replaces the last one: what that had more is not
    /// refreshed any more. A withdrawal ends all announcements, and is itself kept and refreshed.
    ///
    /// # Errors
    /// [`PublishError`]; then nothing is published.
    pub fn publish(&mut self, record: Bytes) -> Result<PublishId, PublishError> {
        let now = self.clock.now();
        let signed = SignedRecord::decode(record)?;
        let own = self.own_key.filter(|own| *own == signed.record().public_key);
        let own = own.ok_or(PublishError::Foreign)?;
        let said = signed.record();
        let keys: Vec<_> = said.keys().into_iter().chain(said.mirrors()).collect();
        let shards = if said.is_withdrawal() { Vec::new() } else { shards(&own, said) };
        self.publisher.check_room(keys.len() + shards.len())?;
        let store = self.kad.store_mut();
        for key in &keys {
            forget_future(store, key, &own, now.timestamp);
        }
        // If the first key is refused nothing has changed, and the others fare no differently.
        for key in &keys {
            store.records.put(Origin::Own, key.as_bytes(), signed.as_bytes(), now.timestamp)?;
        }
        self.forget_old(said, &keys, &shards);
        let id = PublishId(self.next_id());
        let publication = Some(id);
        let records = keys.into_iter().map(|key| Task { key, what: What::Record, publication });
        let announce = |key| Task { key, what: What::Provider, publication };
        if said.is_withdrawal() {
            // Whoever withdraws is about to leave: what else there was to tell is void.
            for task in self.publisher.take_waiting() {
                self.task_done(task, Err(NotStored::Replaced));
            }
        }
        let tasks = records.chain(shards.into_iter().map(announce)).collect();
        self.publisher.publish(id, tasks, now.instant);
        self.wake();
        Ok(id)
    }

    /// Looks a record key up; [`Event::LookedUp`] follows.
    ///
    /// # Errors
    /// [`Busy`] if too many wait.
    pub fn lookup(&mut self, key: Key) -> Result<LookupId, Busy> {
        let waiting = self.queries.lookups.len();
        if waiting >= MAX_LOOKUPS {
            return Err(Busy { waiting });
        }
        let id = LookupId(self.next_id());
        let since = self.clock.now().instant;
        self.queries.lookups.push_back(WaitingLookup { id, key, since });
        self.wake();
        Ok(id)
    }

    /// Searches for others who have a capability until `wanted` are found; [`Event::Found`] follows
    /// for each, and [`Event::SearchDone`].
    ///
    /// # Errors
    /// [`Busy`] if too many are under way.
    pub fn search(&mut self, capability: Capability, wanted: usize) -> Result<SearchId, Busy> {
        let waiting = self.searches.len();
        if waiting >= MAX_SEARCHES {
            return Err(Busy { waiting });
        }
        let id = SearchId(self.next_id());
        let root = Key::of_providers(&capability, &Shard::root());
        let able = own_provider_keys(self.kad.store_mut()).any(|key| key == root);
        let search = Search::new(self.own, able, capability, wanted, self.clock.now().instant);
        self.searches.insert(id, search);
        self.turns.retain(|turn| self.searches.contains_key(turn));
        self.turns.push_back(id);
        self.wake();
        Ok(id)
    }

    /// Ends a lookup; no event follows.
    pub fn cancel_lookup(&mut self, id: LookupId) {
        self.queries.lookups.retain(|waiting| waiting.id != id);
        self.forget_queries(
            |purpose| matches!(purpose, Purpose::Lookup { id: running, .. } if *running == id),
        );
        self.wake();
    }

    /// Ends a search; no event follows.
    pub fn cancel_search(&mut self, id: SearchId) {
        if self.searches.contains_key(&id) {
            self.end_search(id);
            self.pending.pop_back();
            self.wake();
        }
    }

    /// Refreshes the routing table; returns whether it has peers to ask.
    pub fn bootstrap(&mut self) -> bool {
        self.wake();
        self.kad.bootstrap().is_ok()
    }

    /// Forgets own entries that the record `said` replaces without standing in their place.
    fn forget_old(&mut self, said: &Record, keys: &[Key], shards: &[Key]) {
        let store = self.kad.store_mut();
        let announced: Vec<_> = own_provider_keys(store).collect();
        for key in announced.iter().filter(|key| !shards.contains(key)) {
            store.providers.remove(key, &self.own.to_bytes());
        }
        if said.is_withdrawal() {
            return;
        }
        let replaced = |value: &Bytes| {
            SignedRecord::decode(value.clone()).is_ok_and(|old| !old.record().is_withdrawal())
        };
        let old: Vec<_> = own_record_keys(store)
            .filter(|(key, value)| !keys.contains(key) && replaced(value))
            .map(|(key, _)| key)
            .collect();
        for key in old {
            store.records.remove(&key, &said.public_key);
        }
    }

    /// Does what is due.
    fn keep_house(&mut self) {
        let now = self.clock.now().instant;
        if self.sweep <= now {
            self.sweep = now + SWEEP;
            self.kad.store_mut().sweep();
        }
        self.do_without_the_overdue(now);
        if self.publisher.due() <= now {
            let store = self.kad.store_mut();
            let task = |what| move |key| Task { key, what, publication: None };
            let records = own_record_keys(store).map(|(key, _)| key).map(task(What::Record));
            let providers = own_provider_keys(store).map(task(What::Provider));
            self.publisher.refresh(records.chain(providers), now);
        }
        let timeout = self.search_timeout;
        let over = |search: &Search| now.since(search.started()) >= timeout || search.is_done();
        let over: Vec<_> =
            self.searches.iter().filter(|(_, search)| over(search)).map(|(id, _)| *id).collect();
        for id in over {
            self.end_search(id);
        }
    }

    /// Whether something is due; otherwise the task is woken when it is.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.now().instant;
        let searches = self.searches.values().map(|search| search.started() + self.search_timeout);
        let others = [self.sweep, self.publisher.due()].into_iter().chain(self.dials.due());
        let due = searches.chain(others).min().unwrap_or(self.sweep);
        if self.timer.as_ref().is_none_or(|(set, _)| *set != due) {
            self.timer = Some((due, Box::pin(tokio::time::sleep(due.since(now)))));
        }
        let timer = self.timer.as_mut();
        let over = timer.is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if over {
            self.timer = None;
        }
        over
    }

    const fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("own", &self.own).finish_non_exhaustive()
    }
}

/// The key that a peer's own record stands under, whatever its entity is called.
fn own_key_of(peer: &PeerId) -> Option<Key> {
    key_of(peer).map(|key| Key::of_entity(&EntityId::derived(&key)))
}

/// Where the entity of `record` announces what it can do.
fn shards(own: &PublicKey, record: &Record) -> Vec<Key> {
    let shards = Shard::all_of(own);
    let keys = |name| shards.iter().map(move |shard| Key::of_providers(name, shard));
    record.capabilities.iter().flat_map(keys).collect()
}

/// Forgets an own record that a clock far ahead has made: it would stand in the way of what is true now,
/// and others refuse it anyway.
fn forget_future(store: &mut Store, key: &Key, own: &PublicKey, now: Timestamp) {
    let future = store.records.claims(key, now).any(|value| {
        SignedRecord::decode(value.clone()).is_ok_and(|signed| {
            let record = signed.record();
            record.public_key == *own && record.last_seen > now + MAX_CLOCK_SKEW
        })
    });
    if future {
        store.records.remove(key, own);
    }
}

fn own_record_keys(store: &Store) -> impl Iterator<Item = (Key, &Bytes)> {
    let own = store.records.iter().filter(|stored| *stored.origin == Origin::Own);
    own.map(|stored| (stored.key, stored.value))
}

fn own_provider_keys(store: &Store) -> impl Iterator<Item = Key> {
    let own = store.providers.iter().filter(|(_, _, origin, _)| **origin == Origin::Own);
    own.map(|(key, ..)| *key)
}
