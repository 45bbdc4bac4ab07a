//! What both stores share: entries under keys, bounded in all, per key and per peer that brought
//! them (`docs/PROTOCOL.md` §11.5).
//!
//! Who comes first keeps its place, under a key and within what one peer may bring: identities are
//! free, so that giving way to newcomers would let a flood wash out who is known. Only the whole is
//! different. When it is full, the entry farthest from this node gives way to a nearer one, since it
//! is the nearest nodes that Kademlia asks, and since otherwise whoever fills the store first would
//! hold it for a day. A node's own entries never give way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::{Key, Place, Refusal};
use crate::limits::MAX_CHANGED_KEYS;
use crate::time::Timestamp;

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most entries in all.
    pub total: usize,
    /// Most entries that one peer brought.
    pub per_source: usize,
    /// Most entries under one key.
    pub per_key: usize,
}

/// Who brought an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin<S> {
    /// This node itself.
    Own,
    /// A peer, or whatever the caller wants to limit, such as a network prefix.
    Peer(S),
}

/// What became of an entry that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is new, or newer than what was there.
    Stored,
    /// It was there already, and its expiry is now counted anew.
    Refreshed,
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Item<I, S, V> {
    /// Whose entry it is; one key has at most one entry of each.
    pub(super) id: I,
    pub(super) origin: Origin<S>,
    pub(super) expires: Timestamp,
    pub(super) value: V,
}

#[derive(Debug)]
struct Slot<I, S, V> {
    key: Key,
    /// In order of arrival.
    items: Vec<Item<I, S, V>>,
}

/// Bounded entries under keys.
#[derive(Debug)]
pub(super) struct Shelf<I, S, V> {
    own: Place,
    limits: Limits,
    /// By distance from this node's own place.
    slots: BTreeMap<[u8; 32], Slot<I, S, V>>,
    total: usize,
    accounts: Accounts<S>,
    /// Keys whose entries changed since somebody asked.
    changed: BTreeSet<Key>,
}

/// How many entries each source brought, and each group of sources.
#[derive(Debug)]
struct Accounts<S> {
    counts: HashMap<S, usize>,
    groups: Option<Groups<S>>,
}

/// What sources have in common, such as a network, and how many entries that may bring.
#[derive(Debug)]
struct Groups<S> {
    of: fn(&S) -> Option<S>,
    limit: usize,
}

impl<I: PartialEq, S: Clone + Hash + Eq, V: PartialEq> Shelf<I, S, V> {
    pub(super) fn new(own: Place, limits: Limits) -> Self {
        let accounts = Accounts { counts: HashMap::new(), groups: None };
        let changed = BTreeSet::new();
        Self { own, limits, slots: BTreeMap::new(), total: 0, accounts, changed }
    }

    /// Limits groups of sources too. An empty shelf only.
    pub(super) fn group(&mut self, of: fn(&S) -> Option<S>, limit: usize) {
        self.accounts.groups = Some(Groups { of, limit });
    }

    /// Up to `most` keys whose entries changed since the last call. A key that changes while
    /// [`MAX_CHANGED_KEYS`] wait is left out.
    pub(super) fn take_changed(&mut self, most: usize) -> Vec<Key> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(key) = self.changed.pop_first()
        {
            taken.push(key);
        }
        taken
    }

    pub(super) const fn len(&self) -> usize {
        self.total
    }

    /// The entries under `key`, in order of arrival.
    pub(super) fn items(&self, key: &Key) -> &[Item<I, S, V>] {
        self.slots.get(&self.distance(key)).map_or(&[], |slot| &slot.items)
    }

    pub(super) fn find(&self, key: &Key, id: &I) -> Option<&Item<I, S, V>> {
        self.items(key).iter().find(|item| item.id == *id)
    }

    /// All entries, those nearest to this node first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Item<I, S, V>)> {
        self.slots.values().flat_map(|slot| slot.items.iter().map(|item| (&slot.key, item)))
    }

    /// Whether a new entry of `origin` may stand under `key`.
    pub(super) fn check_room(&self, key: &Key, origin: &Origin<S>) -> Result<(), Refusal> {
        let Origin::Peer(source) = origin else {
            return Ok(());
        };
        if self.accounts.is_full(source, self.limits.per_source) {
            return Err(Refusal::SourceFull);
        }
        if self.items(key).len() >= self.limits.per_key {
            return Err(Refusal::Crowded);
        }
        let nearer = || self.farthest().is_some_and(|farthest| self.distance(key) < farthest);
        if self.total >= self.limits.total && !nearer() {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Puts an entry, in the place of an older one of the same id if there is one. That one's
    /// arrival, and who brought it, stay as they were: bringing another's entry again must not move
    /// it to another account.
    pub(super) fn put(&mut self, key: &Key, item: Item<I, S, V>) -> Result<(), Refusal> {
        let distance = self.distance(key);
        let slot = self.slots.get_mut(&distance);
        if let Some(held) =
            slot.and_then(|slot| slot.items.iter_mut().find(|held| held.id == item.id))
        {
            if held.expires != item.expires || held.value != item.value {
                note(&mut self.changed, key);
            }
            held.expires = item.expires;
            held.value = item.value;
            if item.origin == Origin::Own
                && let Origin::Peer(source) = std::mem::replace(&mut held.origin, Origin::Own)
            {
                note(&mut self.changed, key);
                self.accounts.release(&source);
            }
            return Ok(());
        }
        self.check_room(key, &item.origin)?;
        if self.items(key).len() >= self.limits.per_key {
            self.evict(distance);
        }
        if self.total >= self.limits.total
            && let Some(farthest) = self.farthest()
        {
            self.evict(farthest);
        }
        if let Origin::Peer(source) = &item.origin {
            self.accounts.charge(source);
        }
        note(&mut self.changed, key);
        let slot =
            self.slots.entry(distance).or_insert_with(|| Slot { key: *key, items: Vec::new() });
        slot.items.push(item);
        self.total += 1;
        Ok(())
    }

    /// Removes the entries that `gone` picks, under one key; returns how many.
    pub(super) fn remove(&mut self, key: &Key, gone: impl Fn(&Item<I, S, V>) -> bool) -> usize {
        let distance = self.distance(key);
        let Some(slot) = self.slots.get_mut(&distance) else {
            return 0;
        };
        let removed = take_out(slot, &mut self.accounts, gone);
        if removed > 0 {
            note(&mut self.changed, key);
        }
        if slot.items.is_empty() {
            self.slots.remove(&distance);
        }
        self.total -= removed;
        removed
    }

    /// Lets the entries that `chosen` picks under `key` expire at `expires`, if not before.
    pub(super) fn shorten(
        &mut self,
        key: &Key,
        chosen: impl Fn(&Item<I, S, V>) -> bool,
        expires: Timestamp,
    ) {
        let distance = self.distance(key);
        let items = self.slots.get_mut(&distance).map(|slot| slot.items.iter_mut());
        for item in items.into_iter().flatten().filter(|item| chosen(item)) {
            item.expires = item.expires.min(expires);
        }
    }

    /// Removes what has expired, everywhere; returns how many.
    pub(super) fn sweep(&mut self, now: Timestamp) -> usize {
        let mut removed = 0;
        self.slots.retain(|_, slot| {
            let gone = take_out(slot, &mut self.accounts, |item| item.expires <= now);
            if gone > 0 {
                note(&mut self.changed, &slot.key);
            }
            removed += gone;
            !slot.items.is_empty()
        });
        self.total -= removed;
        removed
    }

    fn distance(&self, key: &Key) -> [u8; 32] {
        self.own.distance(&key.place())
    }

    /// The distance of the farthest key that has entries of others.
    fn farthest(&self) -> Option<[u8; 32]> {
        let foreign =
            |slot: &Slot<I, S, V>| slot.items.iter().any(|item| item.origin != Origin::Own);
        self.slots.iter().rev().find(|(_, slot)| foreign(slot)).map(|(distance, _)| *distance)
    }

    /// Removes the entry of another that arrived last at this distance.
    fn evict(&mut self, distance: [u8; 32]) {
        let Some(slot) = self.slots.get_mut(&distance) else {
            return;
        };
        let Some(last) = slot.items.iter().rposition(|item| item.origin != Origin::Own) else {
            return;
        };
        if let Origin::Peer(source) = slot.items.remove(last).origin {
            self.accounts.release(&source);
        }
        note(&mut self.changed, &slot.key);
        if slot.items.is_empty() {
            self.slots.remove(&distance);
        }
        self.total -= 1;
    }
}

impl<S: Clone + Hash + Eq> Accounts<S> {
    fn is_full(&self, source: &S, limit: usize) -> bool {
        let full = |account: &S, limit| self.counts.get(account).is_some_and(|n| *n >= limit);
        let group = |groups: &Groups<S>| {
            (groups.of)(source).is_some_and(|group| full(&group, groups.limit))
        };
        full(source, limit) || self.groups.as_ref().is_some_and(group)
    }

    fn charge(&mut self, source: &S) {
        for account in self.of(source) {
            *self.counts.entry(account).or_default() += 1;
        }
    }

    fn release(&mut self, source: &S) {
        for account in self.of(source) {
            if let Some(count) = self.counts.get_mut(&account) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&account);
                }
            }
        }
    }

    /// The accounts that an entry of this source is charged to.
    fn of(&self, source: &S) -> impl Iterator<Item = S> + use<S> {
        let group = self.groups.as_ref().and_then(|groups| (groups.of)(source));
        [Some(source.clone()), group].into_iter().flatten()
    }
}

fn note(changed: &mut BTreeSet<Key>, key: &Key) {
    if changed.len() < MAX_CHANGED_KEYS {
        changed.insert(*key);
    }
}

fn take_out<I, S: Clone + Hash + Eq, V>(
    slot: &mut Slot<I, S, V>,
    accounts: &mut Accounts<S>,
    gone: impl Fn(&Item<I, S, V>) -> bool,
) -> usize {
    let before = slot.items.len();
    slot.items.retain(|item| {
        let gone = gone(item);
        if gone && let Origin::Peer(source) = &item.origin {
            accounts.release(source);
        }
        !gone
    });
    before - slot.items.len()
}
