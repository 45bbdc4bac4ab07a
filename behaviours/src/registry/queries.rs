//! Queries under way, and what comes of them.
//!
//! A walk is never ended by an answer: it goes on until the twenty nearest nodes that live have
//! answered, so that neither the first answer nor the most frequent one counts, but the newest that
//! is signed. A stale copy can hide the newest record only where all of those nodes hold it back.

use std::collections::{HashMap, VecDeque};

use libp2p_kad::{
    GetProvidersOk, GetRecordOk, KBucketKey, ProgressStep, PutRecordError, QueryId, QueryResult,
    QueryStats, Quorum, Record, RecordKey,
};
use peer_protocol::registry::{Key, Lookup, Origin, Place, Reason};
use peer_protocol::time::Instant;

use libp2p_core::PeerId;

use super::Behaviour;
use super::event::{Event, LookupId, NotStored, SearchId};
use super::lookup::{RANK, Walks, distance};
use super::publisher::{Task, What};
use super::search::Job;

/// Most queries for lookups and searches at once.
const FOREGROUND: usize = 12;
/// Most of them for searches.
const SEARCHING: usize = 10;
/// Most further walks of a lookup.
const MIRRORS: usize = 2;
/// Most further walks for a provider: of those named, many may be invented.
const PROVIDER_MIRRORS: usize = 1;
/// Most queries for publishing at once.
const BACKGROUND: usize = 4;

/// A lookup that waits for its turn.
#[derive(Debug)]
pub(super) struct WaitingLookup {
    pub(super) id: LookupId,
    pub(super) key: Key,
    pub(super) since: Instant,
}

/// What a query is for.
#[derive(Debug)]
pub(super) enum Purpose {
    Lookup { id: LookupId, walks: Walks, since: Instant },
    Shard { search: SearchId, key: Key },
    Provider { search: SearchId, peer: PeerId, walks: Walks },
    Publish(Task),
}

/// Queries under way, counted.
#[derive(Debug, Default)]
pub(super) struct Queries {
    pub(super) lookups: VecDeque<WaitingLookup>,
    pub(super) running: HashMap<QueryId, Purpose>,
    /// Those that came to their end, and those that time ended.
    pub(super) done: u64,
    pub(super) timed_out: u64,
}

impl Queries {
    fn count(&self, of: impl Fn(&Purpose) -> bool) -> usize {
        self.running.values().filter(|purpose| of(purpose)).count()
    }

    fn publishing(&self) -> usize {
        self.count(|purpose| matches!(purpose, Purpose::Publish(_)))
    }

    fn searching(&self) -> usize {
        self.count(|purpose| matches!(purpose, Purpose::Shard { .. } | Purpose::Provider { .. }))
    }
}

impl Behaviour {
    /// Starts what waits, as far as there is room.
    pub(super) fn start_queries(&mut self) {
        while self.queries.running.len() - self.queries.publishing() < FOREGROUND
            && (self.start_lookup() || self.start_search())
        {}
        while self.queries.publishing() < BACKGROUND
            && let Some(task) = self.publisher.next()
        {
            self.start_task(task);
        }
    }

    /// One query has progressed, or is over.
    pub(super) fn on_query(
        &mut self,
        id: QueryId,
        result: QueryResult,
        stats: &QueryStats,
        step: &ProgressStep,
    ) {
        let timed_out = is_timeout(&result);
        let stored = stored(&result);
        self.on_answer(&id, result);
        if !step.last {
            return;
        }
        let counter = if timed_out { &mut self.queries.timed_out } else { &mut self.queries.done };
        *counter = counter.saturating_add(1);
        let Some(purpose) = self.queries.running.remove(&id) else { return };
        let asked = stats.num_requests() as usize;
        match purpose {
            Purpose::Lookup { id, mut walks, since } => {
                if let Some(mirror) = walks.next(asked, self.density()) {
                    return self.walk(&mirror, Purpose::Lookup { id, walks, since });
                }
                let (lookup, asked) = walks.finish();
                let took = self.clock.now().instant.since(since);
                self.pending.push_back(Event::LookedUp { id, lookup, asked, took });
            }
            Purpose::Shard { search, key } => {
                if let Some(search) = self.searches.get_mut(&search) {
                    search.answered(&key, asked);
                }
                self.end_search_if_done(search);
            }
            Purpose::Provider { search: id, peer, mut walks } => {
                // There is no doubt about a record that is there: whoever it names is asked anyway.
                if let Some(mirror) = walks.next(asked, None) {
                    return self.walk(&mirror, Purpose::Provider { search: id, peer, walks });
                }
                let (lookup, asked) = walks.finish();
                if let Some(search) = self.searches.get_mut(&id)
                    && let Some(record) = search.looked_up(peer, &lookup, asked)
                {
                    self.pending.push_back(Event::Found { id, record: Box::new(record) });
                }
                self.end_search_if_done(id);
            }
            Purpose::Publish(task) => {
                let why = if timed_out { NotStored::TimedOut } else { NotStored::NobodyTook };
                self.task_done(task, if stored { Ok(()) } else { Err(why) });
            }
        }
    }

    /// Ends a search whose work or time is over.
    pub(super) fn end_search(&mut self, id: SearchId) {
        if let Some(search) = self.searches.remove(&id) {
            self.pending.push_back(search.finish(id, self.clock.now().instant));
        }
        self.forget_queries(|purpose| match purpose {
            Purpose::Shard { search, .. } | Purpose::Provider { search, .. } => *search == id,
            Purpose::Lookup { .. } | Purpose::Publish(_) => false,
        });
    }

    /// Ends queries that nobody wants any more.
    pub(super) fn forget_queries(&mut self, unwanted: impl Fn(&Purpose) -> bool) {
        for (id, _) in self.queries.running.extract_if(|_, purpose| unwanted(purpose)) {
            if let Some(mut query) = self.kad.query_mut(&id) {
                query.finish();
            }
        }
    }

    fn end_search_if_done(&mut self, id: SearchId) {
        if self.searches.get(&id).is_some_and(super::search::Search::is_done) {
            self.end_search(id);
        }
    }

    fn start_lookup(&mut self) -> bool {
        let Some(WaitingLookup { id, key, since }) = self.queries.lookups.pop_front() else {
            return false;
        };
        let walks = Walks::new(self.lookup_with_own(key), MIRRORS);
        self.walk(&key, Purpose::Lookup { id, walks, since });
        true
    }

    fn start_search(&mut self) -> bool {
        if self.queries.searching() >= SEARCHING {
            return false;
        }
        // Each in turn: who was served last comes last.
        for _ in 0..self.turns.len() {
            let Some(id) = self.turns.pop_front() else { return false };
            let Some(search) = self.searches.get_mut(&id) else { continue };
            let job = search.next();
            self.turns.push_back(id);
            match job {
                Some(Job::Shard(key)) => {
                    let query = self.kad.get_providers(record_key(&key));
                    self.queries.running.insert(query, Purpose::Shard { search: id, key });
                    return true;
                }
                Some(Job::Provider(peer)) => {
                    let Some(key) = super::own_key_of(&peer) else { continue };
                    let walks = Walks::new(self.lookup_with_own(key), PROVIDER_MIRRORS);
                    self.walk(&key, Purpose::Provider { search: id, peer, walks });
                    return true;
                }
                None => {}
            }
        }
        false
    }

    fn walk(&mut self, key: &Key, purpose: Purpose) {
        let query = self.kad.get_record(record_key(key));
        self.queries.running.insert(query, purpose);
    }

    /// How far the tenth nearest peer is from this node. A node that knows fewer than twenty is in a
    /// network in which everybody is near to everything.
    fn density(&mut self) -> Option<u128> {
        let own = Place::of(&self.own.to_bytes());
        let key = KBucketKey::from(self.own);
        let nearest: Vec<_> = self.kad.get_closest_local_peers(&key).take(2 * RANK).collect();
        if nearest.len() < 2 * RANK {
            return None;
        }
        nearest.get(RANK - 1).map(|tenth| distance(&own, tenth.preimage()))
    }

    fn start_task(&mut self, task: Task) {
        let key = record_key(&task.key);
        let query = match task.what {
            What::Record => {
                let own = self.kad.store_mut().records.entries(&task.key);
                let value = own
                    .filter(|stored| *stored.origin == Origin::Own)
                    .map(|stored| stored.value.to_vec())
                    .last();
                // A smaller quorum would end the query before all have been asked.
                value.and_then(|value| {
                    self.kad.put_record(Record::new(key, value), Quorum::All).ok()
                })
            }
            What::Provider => self.kad.start_providing(key).ok(),
        };
        match query {
            Some(query) => drop(self.queries.running.insert(query, Purpose::Publish(task))),
            None => self.task_done(task, Err(NotStored::Replaced)),
        }
    }

    pub(super) fn task_done(&mut self, task: Task, result: Result<(), NotStored>) {
        let event = self.publisher.done(task, result);
        self.pending.extend(event);
    }

    /// What one node answered.
    fn on_answer(&mut self, id: &QueryId, result: QueryResult) {
        let now = self.clock.now();
        match (result, self.queries.running.get_mut(id)) {
            (
                QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(answer))),
                Some(Purpose::Lookup { walks, .. } | Purpose::Provider { walks, .. }),
            ) => {
                // Without a peer it is from the own store, which has been looked at.
                if let Some(peer) = answer.peer
                    && let Err(error) = walks.feed(&peer, &answer.record.value, now.timestamp)
                {
                    tracing::debug!(%peer, %error, "a bad answer");
                    self.strike(peer, Reason::from(&error));
                }
            }
            (
                QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })),
                Some(Purpose::Shard { search, key }),
            ) => {
                if let Some(search) = self.searches.get_mut(search) {
                    search.feed(key, providers);
                }
            }
            _ => {}
        }
    }

    /// A lookup that knows what the own store holds, of whatever key.
    fn lookup_with_own(&mut self, key: Key) -> Lookup {
        let now = self.clock.now().timestamp;
        let mut lookup = Lookup::new(key);
        for value in self.kad.store_mut().records.claims(&key, now) {
            // What the store holds was verified, and may at most have expired just now.
            let _ = lookup.feed(value, now);
        }
        lookup
    }
}

fn record_key(key: &Key) -> RecordKey {
    RecordKey::new(key.as_bytes())
}

fn is_timeout(result: &QueryResult) -> bool {
    match result {
        QueryResult::Bootstrap(result) => result.is_err(),
        QueryResult::GetClosestPeers(result) => result.is_err(),
        QueryResult::GetProviders(result) => result.is_err(),
        QueryResult::StartProviding(result) | QueryResult::RepublishProvider(result) => {
            result.is_err()
        }
        QueryResult::GetRecord(result) => {
            matches!(result, Err(libp2p_kad::GetRecordError::Timeout { .. }))
        }
        QueryResult::PutRecord(result) | QueryResult::RepublishRecord(result) => {
            matches!(result, Err(PutRecordError::Timeout { .. }))
        }
    }
}

/// Whether at least one other node took what was published.
fn stored(result: &QueryResult) -> bool {
    match result {
        QueryResult::PutRecord(Ok(_)) | QueryResult::StartProviding(Ok(_)) => true,
        QueryResult::PutRecord(Err(
            PutRecordError::QuorumFailed { success, .. } | PutRecordError::Timeout { success, .. },
        )) => !success.is_empty(),
        _ => false,
    }
}
