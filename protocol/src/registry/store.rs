//! The records that a node keeps for others (`docs/PROTOCOL.md` §11.5): verified, the newest of
//! each public key, bounded, swept on time. What holds them on disk exports and imports them.
//!
//! Names are free, so that two keys may claim one. The store keeps the first few side by side and
//! does not judge: that is for whoever resolves. A DHT hands out one value for a key, though. Which
//! of several is served is decided by a secret of this node, so that of the twenty nodes that hold
//! a key some serve each claim, a seeker who knows the right key finds it, one who does not sees the
//! contest, and nobody can search for a key that is served everywhere.

use std::cmp::Ordering;
use std::hash::Hash;

use bytes::Bytes;

use super::freshness::Version;
use super::shelf::{Item, Shelf};
use super::{Accepted, Key, Limits, Origin, Place, Reason, Record, Refusal, Refusals};
use super::{RegistryError, SignedRecord, Verified};
use crate::crypto::{Digest, PublicKey, Sha256};
use crate::limits::{MAX_CLAIMANTS, MAX_RECORDS_PER_SOURCE, MAX_STORED_RECORDS, RECORD_TTL};
use crate::time::Timestamp;

/// A bounded store of verified records. `S` names whom a record came from.
#[derive(Debug)]
pub struct RecordStore<S> {
    shelf: Shelf<[u8; 32], S, Held>,
    salt: [u8; 32],
    refusals: Refusals,
}

/// What is kept of a record: the rest is in its bytes.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    bytes: Bytes,
    last_seen: Timestamp,
    deadline: Timestamp,
    withdrawal: bool,
}

/// One record as it is kept, for writing it to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRecord<'a, S> {
    /// The key that it stands under.
    pub key: Key,
    /// Its exact bytes.
    pub value: &'a Bytes,
    /// Who brought it.
    pub origin: &'a Origin<S>,
    /// When it leaves the store.
    pub expires: Timestamp,
}

impl<S: Clone + Hash + Eq> RecordStore<S> {
    /// The limits that nodes have by default.
    pub const LIMITS: Limits = Limits {
        total: MAX_STORED_RECORDS,
        per_source: MAX_RECORDS_PER_SOURCE,
        per_key: MAX_CLAIMANTS,
    };

    /// An empty store of the node at `own`. `salt` is 32 random bytes that no peer learns.
    #[must_use]
    pub fn new(own: Place, salt: [u8; 32], limits: Limits) -> Self {
        Self { shelf: Shelf::new(own, limits), salt, refusals: Refusals::default() }
    }

    /// Limits what a group of sources, such as a network, brings to `limit` entries as well. `of`
    /// names the group of a source by a value that is no source itself. For empty stores.
    #[must_use]
    pub fn with_groups(mut self, of: fn(&S) -> Option<S>, limit: usize) -> Self {
        self.shelf.group(of, limit);
        self
    }

    /// Takes a record that `origin` puts under `key`, if it is believed, newer than what is known of
    /// its public key, and within the limits. What is cheap is checked before the signature is.
    ///
    /// # Errors
    /// [`Refusal`], which is counted; no other record is touched then.
    pub fn put(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        value: &[u8],
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let put = self.try_put(origin, key, value, now);
        self.counted(put)
    }

    /// As [`RecordStore::put`], with a record that the caller has verified elsewhere.
    ///
    /// # Errors
    /// [`Refusal`], which is counted; no other record is touched then.
    pub fn insert(
        &mut self,
        origin: Origin<S>,
        verified: &Verified,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let put = self.try_insert(origin, verified, now);
        self.counted(put)
    }

    /// As [`RecordStore::put`], for a record that was exported: it leaves the store when it would
    /// have left it then, and is checked like any other, since disks are written by others too.
    ///
    /// # Errors
    /// [`Refusal`], which is counted; no other record is touched then.
    pub fn import(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        value: &[u8],
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        if expires <= now {
            let ago = now.distance(expires);
            return self.counted(Err(RegistryError::Expired { ago }.into()));
        }
        let accepted = self.put(origin, key, value, now)?;
        if let Ok(key) = Key::from_bytes(key) {
            self.shelf.shorten(&key, |item| item.value.bytes == value, expires);
        }
        Ok(accepted)
    }

    /// The value to serve for `key`: this node's own, else one that does not withdraw, else any.
    #[must_use]
    pub fn get(&self, key: &Key, now: Timestamp) -> Option<&Bytes> {
        let alive = self.shelf.items(key).iter().filter(|item| item.expires > now);
        alive
            .min_by_key(|item| {
                let foreign = item.origin != Origin::Own;
                (foreign, item.value.withdrawal, self.turn(&item.id))
            })
            .map(|item| &item.value.bytes)
    }

    /// All values under `key`, of whatever public key.
    pub fn claims(&self, key: &Key, now: Timestamp) -> impl Iterator<Item = &Bytes> {
        let alive = self.shelf.items(key).iter().filter(move |item| item.expires > now);
        alive.map(|item| &item.value.bytes)
    }

    /// Forgets the record of one public key under `key`; returns whether there was one.
    pub fn remove(&mut self, key: &Key, public_key: &PublicKey) -> bool {
        self.shelf.remove(key, |item| item.id == *public_key.as_bytes()) > 0
    }

    /// Forgets everything under `key`; returns how many records that were.
    pub fn remove_all(&mut self, key: &Key) -> usize {
        self.shelf.remove(key, |_| true)
    }

    /// Forgets what has expired; returns how many records that were.
    pub fn sweep(&mut self, now: Timestamp) -> usize {
        self.shelf.sweep(now)
    }

    /// All records, those nearest to this node first.
    pub fn iter(&self) -> impl Iterator<Item = StoredRecord<'_, S>> {
        self.shelf.iter().map(|(key, item)| stored(*key, item))
    }

    /// Up to `most` keys whose entries changed since the last call, for writing them to disk. Keys
    /// that change while [`MAX_CHANGED_KEYS`](crate::limits::MAX_CHANGED_KEYS) wait are left out: what
    /// is on disk is checked again when it is imported.
    pub fn take_changed(&mut self, most: usize) -> Vec<Key> {
        self.shelf.take_changed(most)
    }

    /// The records under one key, in order of arrival.
    pub fn entries(&self, key: &Key) -> impl Iterator<Item = StoredRecord<'_, S>> {
        let key = *key;
        self.shelf.items(&key).iter().map(move |item| stored(key, item))
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.shelf.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was refused, by reason.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    fn try_put(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        value: &[u8],
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let key = Key::from_bytes(key)?;
        self.drop_expired(&key, now);
        // What is held was verified: the same bytes again need no second look.
        let same = |item: &&Item<_, S, Held>| item.value.bytes == value;
        if let Some(item) = self.shelf.items(&key).iter().find(same) {
            let (id, value) = (item.id, item.value.clone());
            let expires = value.deadline.min(now + RECORD_TTL);
            self.shelf.put(&key, Item { id, origin, expires, value })?;
            return Ok(Accepted::Refreshed);
        }
        let signed = SignedRecord::decode(Bytes::copy_from_slice(value))?;
        signed.check(&key, now)?;
        let accepted = self.admit(&key, &origin, signed.record(), signed.version())?;
        let verified = signed.verify(&key, now)?;
        self.keep(&key, origin, verified.record(), verified.as_bytes().clone(), now)?;
        Ok(accepted)
    }

    fn try_insert(
        &mut self,
        origin: Origin<S>,
        verified: &Verified,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let (key, record) = (verified.key(), verified.record());
        record.check_fresh(now)?;
        self.drop_expired(key, now);
        let accepted = self.admit(key, &origin, record, verified.version())?;
        self.keep(key, origin, record, verified.as_bytes().clone(), now)?;
        Ok(accepted)
    }

    /// Whether there is room, and nothing newer.
    fn admit(
        &self,
        key: &Key,
        origin: &Origin<S>,
        record: &Record,
        version: Version<'_>,
    ) -> Result<Accepted, Refusal> {
        let Some(held) = self.shelf.find(key, record.public_key.as_bytes()) else {
            return self.shelf.check_room(key, origin).map(|()| Accepted::Stored);
        };
        let known = Version::new(held.value.last_seen, &held.value.bytes);
        match version.cmp(&known) {
            Ordering::Less => Err(Refusal::Superseded),
            Ordering::Equal => Ok(Accepted::Refreshed),
            Ordering::Greater => Ok(Accepted::Stored),
        }
    }

    fn keep(
        &mut self,
        key: &Key,
        origin: Origin<S>,
        record: &Record,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (id, deadline) = (*record.public_key.as_bytes(), record.deadline());
        let (last_seen, withdrawal) = (record.last_seen, record.is_withdrawal());
        let value = Held { bytes, last_seen, deadline, withdrawal };
        let expires = deadline.min(now + RECORD_TTL);
        self.shelf.put(key, Item { id, origin, expires, value })
    }

    fn drop_expired(&mut self, key: &Key, now: Timestamp) {
        self.shelf.remove(key, |item| item.expires <= now);
    }

    /// Where a public key stands in this node's secret order.
    fn turn(&self, public_key: &[u8; 32]) -> Digest {
        let mut hash = Sha256::new();
        hash.update(&self.salt);
        hash.update(public_key);
        hash.finish()
    }

    fn counted(&mut self, put: Result<Accepted, Refusal>) -> Result<Accepted, Refusal> {
        if let Err(refusal) = &put {
            self.refusals.count(Reason::from(refusal));
        }
        put
    }
}

const fn stored<S>(key: Key, item: &Item<[u8; 32], S, Held>) -> StoredRecord<'_, S> {
    let Item { origin, expires, value, .. } = item;
    StoredRecord { key, value: &value.bytes, origin, expires: *expires }
}
