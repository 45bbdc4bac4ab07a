//! The provider entries that a node keeps for others (`docs/PROTOCOL.md` §11.6): who says that it
//! can do what. Such an entry is not signed; that the provider is the peer that brings it is for the
//! caller to check. Whoever finds one looks the provider's record up before it believes the entry.

use std::hash::Hash;

use bytes::Bytes;

use super::shelf::{Item, Shelf};
use super::{Accepted, Key, Limits, Origin, Place, Reason, Refusal, Refusals, RegistryError};
use crate::limits::{
    MAX_ADDRESS_LEN, MAX_PROVIDER_LEN, MAX_PROVIDERS_PER_KEY, MAX_PROVIDERS_PER_SOURCE,
    MAX_RECORD_ADDRESSES, MAX_STORED_PROVIDERS, PROVIDER_TTL,
};
use crate::time::Timestamp;

/// A provider: its `PeerId` and its addresses, as the DHT encodes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    peer: Bytes,
    addresses: Vec<Bytes>,
}

impl Provider {
    /// The provider `peer`, with as many of its addresses as fit, in their order: at most 16, of at
    /// most 256 bytes each, and all together at most 640 bytes with the `PeerId`. An entry with
    /// fewer addresses still says who can do what.
    ///
    /// # Errors
    /// [`RegistryError::Limit`] if the `PeerId` alone does not fit.
    pub fn new(
        peer: Bytes,
        addresses: impl IntoIterator<Item = Bytes>,
    ) -> Result<Self, RegistryError> {
        let Some(mut room) = MAX_PROVIDER_LEN.checked_sub(peer.len()) else {
            let (len, limit) = (peer.len(), MAX_PROVIDER_LEN);
            return Err(RegistryError::Limit { field: "peer", len, limit, unit: "bytes" });
        };
        let mut kept = Vec::new();
        for address in addresses.into_iter().take(MAX_RECORD_ADDRESSES) {
            if address.len() <= MAX_ADDRESS_LEN
                && let Some(left) = room.checked_sub(address.len())
            {
                room = left;
                kept.push(address);
            }
        }
        Ok(Self { peer, addresses: kept })
    }

    /// Its `PeerId`.
    #[must_use]
    pub const fn peer(&self) -> &Bytes {
        &self.peer
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> &[Bytes] {
        &self.addresses
    }
}

/// A bounded store of provider entries. `S` names whom an entry came from.
#[derive(Debug)]
pub struct ProviderStore<S> {
    shelf: Shelf<Bytes, S, Provider>,
    refusals: Refusals,
}

impl<S: Clone + Hash + Eq> ProviderStore<S> {
    /// The limits that nodes have by default.
    pub const LIMITS: Limits = Limits {
        total: MAX_STORED_PROVIDERS,
        per_source: MAX_PROVIDERS_PER_SOURCE,
        per_key: MAX_PROVIDERS_PER_KEY,
    };

    /// An empty store of the node at `own`.
    #[must_use]
    pub fn new(own: Place, limits: Limits) -> Self {
        Self { shelf: Shelf::new(own, limits), refusals: Refusals::default() }
    }

    /// Limits what a group of sources, such as a network, brings to `limit` entries as well. `of`
    /// names the group of a source by a value that is no source itself. For empty stores.
    #[must_use]
    pub fn with_groups(mut self, of: fn(&S) -> Option<S>, limit: usize) -> Self {
        self.shelf.group(of, limit);
        self
    }

    /// Takes an entry under `key` for [`PROVIDER_TTL`] from now, in place of the provider's last.
    ///
    /// # Errors
    /// [`Refusal`], which is counted; no other entry is touched then.
    pub fn put(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        provider: Provider,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        self.put_until(origin, key, provider, now + PROVIDER_TTL, now)
    }

    /// As [`ProviderStore::put`], for an entry that was exported and leaves at `expires`.
    ///
    /// # Errors
    /// [`Refusal`], which is counted; no other entry is touched then.
    pub fn import(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        provider: Provider,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        self.put_until(origin, key, provider, expires.min(now + PROVIDER_TTL), now)
    }

    /// The providers under `key`, those that came first before others.
    pub fn get(&self, key: &Key, now: Timestamp) -> impl Iterator<Item = &Provider> {
        let alive = self.shelf.items(key).iter().filter(move |item| item.expires > now);
        alive.map(|item| &item.value)
    }

    /// Forgets one provider under `key`; returns whether it was there.
    pub fn remove(&mut self, key: &Key, peer: &[u8]) -> bool {
        self.shelf.remove(key, |item| item.id == peer) > 0
    }

    /// Forgets what has expired; returns how many entries that were.
    pub fn sweep(&mut self, now: Timestamp) -> usize {
        self.shelf.sweep(now)
    }

    /// All entries with key, origin and expiry, those nearest to this node first.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Provider, &Origin<S>, Timestamp)> {
        self.shelf.iter().map(|(key, item)| (key, &item.value, &item.origin, item.expires))
    }

    /// Up to `most` keys whose entries changed since the last call, for writing them to disk. Keys
    /// that change while [`MAX_CHANGED_KEYS`](crate::limits::MAX_CHANGED_KEYS) wait are left out: what
    /// is on disk is checked again when it is imported.
    pub fn take_changed(&mut self, most: usize) -> Vec<Key> {
        self.shelf.take_changed(most)
    }

    /// The entries under one key, in order of arrival.
    pub fn entries(&self, key: &Key) -> impl Iterator<Item = (&Provider, &Origin<S>, Timestamp)> {
        self.shelf.items(key).iter().map(|item| (&item.value, &item.origin, item.expires))
    }

    /// How many entries there are.
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

    fn put_until(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        provider: Provider,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let put = self.try_put(origin, key, provider, expires, now);
        if let Err(refusal) = &put {
            self.refusals.count(Reason::from(refusal));
        }
        put
    }

    fn try_put(
        &mut self,
        origin: Origin<S>,
        key: &[u8],
        provider: Provider,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let key = Key::from_bytes(key)?;
        if expires <= now {
            return Err(RegistryError::Expired { ago: now.distance(expires) }.into());
        }
        self.shelf.remove(&key, |item| item.expires <= now);
        let id = provider.peer.clone();
        let known = self.shelf.find(&key, &id).is_some();
        self.shelf.put(&key, Item { id, origin, expires, value: provider })?;
        Ok(if known { Accepted::Refreshed } else { Accepted::Stored })
    }
}
