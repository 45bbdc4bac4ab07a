//! What people are told of transfers: where each stands, and how fast it goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::time::{Instant, Timestamp};

use super::error::TransferFailure;
use super::row::{Key, Row, Stage};
use crate::model::{IdPrefix, TransferDirection, TransferState, TransferStatus};

/// Most transfers that are over and are still listed; the oldest go first.
const MAX_OVER: usize = if cfg!(test) { 8 } else { 1_000 };
/// Over how long the rate is taken.
const LATELY: Duration = Duration::from_secs(5);
/// Most samples of it.
const MAX_SAMPLES: usize = 64;

/// All transfers that are listed.
#[derive(Debug, Default)]
pub(super) struct Book {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    all: BTreeMap<Key, Line>,
    /// Those that changed since somebody asked.
    changed: BTreeSet<Key>,
}

impl Lines {
    /// A line that is about to change.
    fn change(&mut self, key: &Key) -> Option<&mut Line> {
        let line = self.all.get_mut(key)?;
        self.changed.insert(*key);
        Some(line)
    }

    fn remove(&mut self, key: &Key) {
        self.all.remove(key);
        self.changed.remove(key);
    }
}

#[derive(Debug)]
struct Line {
    status: TransferStatus,
    /// Of a file that is sent: below which directory it has to lie.
    root: Option<PathBuf>,
    samples: VecDeque<(Instant, u64)>,
}

impl Book {
    /// Lists a transfer as its row says. Returns others, which make room for it.
    pub(super) fn open(&self, row: &Row, state: TransferState) -> Vec<Key> {
        let mut lines = self.lock();
        let status = status(row, state);
        lines.all.insert(row.key(), Line { status, root: root(row), samples: VecDeque::new() });
        lines.changed.insert(row.key());
        let mut over: Vec<_> = lines
            .all
            .iter()
            .filter(|(_, line)| line.status.state.is_over())
            .map(|(key, line)| (line.status.updated, *key))
            .collect();
        let surplus = over.len().saturating_sub(MAX_OVER);
        over.sort_unstable();
        let others = over.into_iter().map(|(_, key)| key).filter(|key| *key != row.key());
        let gone: Vec<_> = others.take(surplus).collect();
        for key in &gone {
            lines.remove(key);
        }
        gone
    }

    /// Notes where a transfer stands.
    pub(super) fn set(&self, key: &Key, state: TransferState, detail: Option<&str>) {
        if let Some(line) = self.lock().change(key) {
            line.status.state = state;
            line.status.detail = detail.map(str::to_owned);
        }
    }

    /// Notes how far a transfer is.
    pub(super) fn progress(&self, key: &Key, done: u64, now: Instant, at: Timestamp) {
        let mut lines = self.lock();
        let Some(line) = lines.change(key) else { return };
        line.status.done = done;
        line.status.updated = at;
        // What was read while hashing is another measure.
        if line.samples.back().is_some_and(|(_, before)| *before > done) {
            line.samples.clear();
        }
        line.samples.push_back((now, done));
        let old = |samples: &VecDeque<(Instant, u64)>| {
            samples.len() > 2 && samples.get(1).is_some_and(|(then, _)| now.since(*then) > LATELY)
        };
        while old(&line.samples) || line.samples.len() > MAX_SAMPLES {
            line.samples.pop_front();
        }
    }

    /// Forgets samples: from here on something else is measured.
    pub(super) fn restart(&self, key: &Key, done: u64) {
        if let Some(line) = self.lock().change(key) {
            line.status.done = done;
            line.samples.clear();
        }
    }

    /// Lists a transfer as its row now says.
    pub(super) fn replace(&self, row: &Row, state: TransferState) {
        if let Some(line) = self.lock().change(&row.key()) {
            line.status = status(row, state);
        }
    }

    /// Lists a transfer no more.
    pub(super) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// All of them, the newest last.
    pub(super) fn all(&self, now: Instant) -> Vec<TransferStatus> {
        let lines = self.lock();
        let mut all: Vec<_> = lines.all.values().map(|line| line.at(now)).collect();
        all.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        all
    }

    /// Those that are not over.
    pub(super) fn open_lines(&self, now: Instant) -> Vec<TransferStatus> {
        let lines = self.lock();
        let open = lines.all.values().filter(|line| !line.status.state.is_over());
        open.map(|line| line.at(now)).collect()
    }

    /// How many are not over.
    pub(super) fn open_count(&self) -> usize {
        self.lock().all.values().filter(|line| !line.status.state.is_over()).count()
    }

    /// Those that have changed since this was last asked, as they stand now.
    pub(super) fn changed(&self, now: Instant) -> Vec<TransferStatus> {
        let mut lines = self.lock();
        let changed = std::mem::take(&mut lines.changed);
        changed.iter().filter_map(|key| Some(lines.all.get(key)?.at(now))).collect()
    }

    /// The one whose id is `name`, or begins with it.
    pub(super) fn find(&self, name: &str) -> Result<Key, TransferFailure> {
        let lines = self.lock();
        let unknown = || TransferFailure::Unknown { id: name.to_owned() };
        let prefix: IdPrefix = name.parse().map_err(|_| unknown())?;
        let (first, last) = prefix.range();
        let begins = |key: &&Key| (first..=last).contains(&key.id.as_bytes());
        let found: Vec<_> = lines.all.keys().filter(begins).copied().collect();
        match found.as_slice() {
            [] => Err(unknown()),
            [key] => Ok(*key),
            several => {
                let count = several.len();
                Err(TransferFailure::Ambiguous { id: name.to_owned(), count })
            }
        }
    }

    /// Below which directory a file that is sent has to lie.
    pub(super) fn root(&self, key: &Key) -> Option<PathBuf> {
        self.lock().all.get(key).and_then(|line| line.root.clone())
    }

    /// One of them.
    pub(super) fn one(&self, key: &Key, now: Instant) -> Option<TransferStatus> {
        self.lock().all.get(key).map(|line| line.at(now))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn at(&self, now: Instant) -> TransferStatus {
        let rate = match (self.samples.front(), self.samples.back()) {
            (Some((began, before)), Some((_, done))) if !self.status.state.is_over() => {
                let millis = now.since(*began).as_millis().max(1);
                let bytes = u128::from(done.saturating_sub(*before));
                u64::try_from(bytes * 1_000 / millis).unwrap_or(u64::MAX)
            }
            _ => 0,
        };
        TransferStatus { rate, ..self.status.clone() }
    }
}

fn root(row: &Row) -> Option<PathBuf> {
    match row {
        Row::Outgoing(row) => row.source.root.clone(),
        Row::Incoming(_) => None,
    }
}

/// What a row says.
fn status(row: &Row, state: TransferState) -> TransferStatus {
    let (stage, peer, entity) = match row {
        Row::Outgoing(row) => (&row.stage, &row.peer, &row.entity),
        Row::Incoming(row) => (&row.stage, &row.peer, &row.entity),
    };
    let (state, code, detail) = match stage {
        Stage::Open => (state, None, None),
        Stage::Complete => (TransferState::Complete, None, None),
        Stage::Cancelled { detail } => (TransferState::Cancelled, None, Some(detail.clone())),
        Stage::Failed { code, detail } => (TransferState::Failed, *code, Some(detail.clone())),
    };
    let peer_id = peer_protocol::crypto::PublicKey::from_bytes(peer)
        .ok()
        .and_then(|key| peer_behaviours::secure::peer_id_of(&key))
        .as_ref()
        .map(PeerId::to_string)
        .unwrap_or_default();
    let shared = TransferStatus {
        id: row.key().id.to_string(),
        direction: row.key().direction,
        peer: entity.clone(),
        peer_id,
        purpose: peer_protocol::message::Purpose::File,
        name: None,
        path: None,
        size: 0,
        done: 0,
        rate: 0,
        state,
        code,
        detail,
        digest: None,
        created: Timestamp::default(),
        updated: row.updated(),
    };
    match row {
        Row::Outgoing(row) => TransferStatus {
            direction: TransferDirection::Outgoing,
            purpose: row.offer.purpose,
            name: row.offer.name.clone(),
            path: (!row.source.spooled).then(|| row.source.path.display().to_string()),
            size: row.source.size,
            done: row.received,
            digest: row.hashed.then(|| hex::encode(row.offer.digest)),
            created: row.created,
            ..shared
        },
        Row::Incoming(row) => TransferStatus {
            direction: TransferDirection::Incoming,
            purpose: row.offer.purpose,
            name: row.offer.name.clone(),
            path: row
                .path
                .as_ref()
                .filter(|_| row.stage == Stage::Complete)
                .map(|path| path.display().to_string()),
            size: row.total,
            done: row.received,
            digest: Some(hex::encode(row.offer.digest)),
            created: row.created,
            ..shared
        },
    }
}
