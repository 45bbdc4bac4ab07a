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
    pub(super) fn load<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut known = Self { places: LruCache::new(MAX_KNOWN) };
        for (key, value) in rows {
            if key.first() == Some(&TAG)
                && let Ok(record) = SignedRecord::decode(value.to_vec())
            {
                known.insert(&record);
            }
        }
        known
    }

    /// Takes what a record says, if it is the newest of its entity; returns what is to be remembered.
    /// Records without mailboxes end what was known.
    pub(super) fn learn(&mut self, bytes: &Bytes) -> Option<(PublicKey, Change)> {
        let record = SignedRecord::decode(bytes.clone()).ok()?;
        let key = record.record().public_key;
        let key_row = [&[TAG], &key.as_bytes()[..]].concat();
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
            return Some((key, Change { key: key_row, value: None }));
        }
        self.insert(&record);
        Some((key, Change { key: key_row, value: Some(bytes.to_vec().into()) }))
    }

    fn insert(&mut self, record: &SignedRecord) {
        let record = record.record();
        let nodes = record.mailboxes.clone();
        let place = Place { nodes, prekey: record.prekey, made: record.last_seen };
        self.places.insert(record.public_key, place);
    }

    pub(super) fn place(&mut self, peer: &PublicKey, now: Timestamp) -> Option<&Place> {
        self.places.get(peer).filter(|place| place.made + LIFE > now)
    }
}
