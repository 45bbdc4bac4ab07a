//! Contents that this node sends, from when their messages are accepted until those are settled.

use std::collections::HashMap;
use std::time::Duration;

use peer_protocol::limits::{MAX_OUTBOX_BYTES, MAX_OUTBOX_BYTES_PER_PEER};
use peer_protocol::time::Instant;

use super::error::TransferFailure;
use super::row::{Key, OutgoingRow, Stage};

/// How often a content is sent anew whose receiver says that it does not have it.
const MAX_TRIES: u32 = 4;
/// The pause before the first time; it doubles.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Entry {
    size: u64,
    /// None while it is written.
    row: Option<OutgoingRow>,
    running: bool,
    tries: u32,
    /// It is not sent again before.
    not_before: Option<Instant>,
}

/// Contents whose messages are not settled.
#[derive(Debug, Default)]
pub(super) struct Contents {
    entries: HashMap<Key, Entry>,
    bytes: u64,
    of_peers: HashMap<[u8; 32], u64>,
}

impl Contents {
    /// Makes room for a content, as much as the outbox has for bodies.
    ///
    /// # Errors
    /// There is none, or it is there already.
    pub(super) fn reserve(&mut self, key: Key, size: u64) -> Result<(), TransferFailure> {
        let own = self.of_peers.get(&key.peer).copied().unwrap_or_default();
        let full = |most: u64, whose: &str| {
            let detail = format!("contents of {most} bytes wait for {whose} already");
            Err(TransferFailure::Full { detail })
        };
        if self.entries.contains_key(&key) {
            return Err(TransferFailure::Full { detail: "it waits already".to_owned() });
        }
        if own + size > MAX_OUTBOX_BYTES_PER_PEER {
            return full(MAX_OUTBOX_BYTES_PER_PEER, "this peer");
        }
        if self.bytes + size > MAX_OUTBOX_BYTES {
            return full(MAX_OUTBOX_BYTES, "all peers");
        }
        self.insert(key, Entry { size, row: None, running: false, tries: 0, not_before: None });
        Ok(())
    }

    /// A content is on disk.
    pub(super) fn kept(&mut self, row: OutgoingRow) {
        if let Some(entry) = self.entries.get_mut(&Key::outgoing(row.peer, row.id)) {
            entry.row = Some(row);
        }
    }

    /// A content of an earlier run.
    pub(super) fn recall(&mut self, row: OutgoingRow) {
        let (key, size) = (Key::outgoing(row.peer, row.id), row.source.size);
        self.insert(
            key,
            Entry { size, row: Some(row), running: false, tries: 0, not_before: None },
        );
    }

    /// The row of a content that is to be sent now, unless it is being sent, or its receiver has it.
    pub(super) fn begin(&mut self, key: &Key, now: Instant) -> Option<OutgoingRow> {
        let due = |entry: &&mut Entry| entry.not_before.is_none_or(|at| at <= now);
        let entry = self.entries.get_mut(key).filter(|entry| !entry.running).filter(due)?;
        let row = entry.row.as_mut()?;
        row.stage = Stage::Open;
        entry.running = true;
        Some(row.clone())
    }

    /// Whether a content is to be sent anew, and after which pause.
    pub(super) fn again(&mut self, key: &Key, now: Instant) -> Option<Duration> {
        let entry = self.entries.get_mut(key).filter(|entry| entry.tries < MAX_TRIES)?;
        let pause = PAUSE.saturating_mul(1 << entry.tries);
        entry.tries += 1;
        entry.not_before = Some(now + pause);
        if let Some(row) = &mut entry.row {
            row.received = 0;
        }
        Some(pause)
    }

    /// Its task has ended so. Returns whether it is still needed.
    pub(super) fn ended(&mut self, key: &Key, row: &OutgoingRow) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        entry.running = false;
        entry.row = Some(row.clone());
        true
    }

    /// Its message is settled. Returns its row, and whether its task still runs.
    pub(super) fn remove(&mut self, key: &Key) -> Option<(Option<OutgoingRow>, bool)> {
        let Entry { size, row, running, .. } = self.entries.remove(key)?;
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(own) = self.of_peers.get_mut(&key.peer) {
            *own = own.saturating_sub(size);
            if *own == 0 {
                self.of_peers.remove(&key.peer);
            }
        }
        Some((row, running))
    }

    pub(super) fn is_kept(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn row(&self, key: &Key) -> Option<&OutgoingRow> {
        self.entries.get(key)?.row.as_ref()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &OutgoingRow> {
        self.entries.values().filter_map(|entry| entry.row.as_ref())
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.bytes += entry.size;
        *self.of_peers.entry(key.peer).or_default() += entry.size;
        self.entries.insert(key, entry);
    }
}
