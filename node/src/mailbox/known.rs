//! Whose mailbox nodes are where: what records have said, kept beyond their life.

use std::time::Duration;

use bytes::Bytes;
use hashlink::LruCache;
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::MAX_PREKEY_LIFE;
use peer_protocol::mailbox::{Change, Prekey};
use peer_protocol::registry::SignedRecord;
use peer_protocol::time::Timestamp;

/// Most receivers of which it is remembered.
const MAX_KNOWN: usize = 4_096;
/// The first byte of the row of a receiver; the rest is its key.
const TAG: u8 = b'm';
/// How long a record is believed about mailboxes.
const LIFE: Duration = MAX_PREKEY_LIFE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) nodes: Vec<PublicKey>,
    pub(super) prekey: Option<Prekey>,
    made: Timestamp,
}

#[derive(Debug)]
pub(super) struct Known {
    places: LruCache<PublicKey, Place>,
}

impl Known {
    /// What is in `rows`, and the rows that are to be deleted: they are over, or too many, or no records.
    pub(super) fn load<'a>(
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        now: Timestamp,
    ) -> (Self, Vec<Change>) {
        let mut known = Self { places: LruCache::new(MAX_KNOWN) };
        let mut gone = Vec::new();
        for (key, value) in rows {
            if key.first() != Some(&TAG) {
                continue;
            }
            match SignedRecord::decode(value.to_vec()) {
                Ok(record) => gone.extend(known.insert(&record)),
                Err(_) => gone.push(Change { key: key.to_vec(), value: None }),
            }
        }
        gone.extend(known.tick(now));
        (known, gone)
    }

    /// Takes what a record says, if it is the newest of its entity; returns what is to be remembered, and
    /// what gives way to it. Records without mailboxes end what was known.
    pub(super) fn learn(&mut self, bytes: &Bytes) -> Option<(PublicKey, Vec<Change>)> {
        let record = SignedRecord::decode(bytes.clone()).ok()?;
        let key = record.record().public_key;
        let before = self.places.get(&key);
        if before.is_some_and(|before| before.made >= record.record().last_seen) {
            return None;
        }
        if record.record().mailboxes.is_empty() {
            // A node that stops withdraws its record: that says nothing of its mailboxes. It has none
            // only if it lives without them.
            if record.record().is_withdrawal() {
                return None;
            }
            self.places.remove(&key)?;
            return Some((key, vec![forget(&key)]));
        }
        let mut changes: Vec<_> = self.insert(&record).into_iter().collect();
        changes.push(Change { key: row(&key), value: Some(bytes.to_vec().into()) });
        Some((key, changes))
    }

    /// Returns what deletes the row of whoever gives way, who was not asked for longest.
    fn insert(&mut self, record: &SignedRecord) -> Option<Change> {
        let record = record.record();
        let is_known = self.places.contains_key(&record.public_key);
        let full = !is_known && self.places.len() >= MAX_KNOWN;
        let gone = if full { self.places.remove_lru() } else { None };
        let nodes = record.mailboxes.clone();
        let place = Place { nodes, prekey: record.prekey, made: record.last_seen };
        self.places.insert(record.public_key, place);
        gone.map(|(key, _)| forget(&key))
    }

    pub(super) fn place(&mut self, peer: &PublicKey, now: Timestamp) -> Option<&Place> {
        self.places.get(peer).filter(|place| place.made + LIFE > now)
    }

    /// Deletes what is not believed any more.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let over = self.places.iter().filter(|(_, place)| place.made + LIFE <= now);
        let over: Vec<_> = over.map(|(key, _)| *key).collect();
        over.iter().for_each(|key| drop(self.places.remove(key)));
        over.iter().map(forget).collect()
    }
}

fn row(peer: &PublicKey) -> Vec<u8> {
    [&[TAG], &peer.as_bytes()[..]].concat()
}

fn forget(peer: &PublicKey) -> Change {
    Change { key: row(peer), value: None }
}
