//! What there is to write, and what of it has not been written yet.

use std::collections::BTreeMap;

use peer_protocol::time::Timestamp;

use super::{Contact, Entry, Remembered};

/// Most bytes that wait for the disk. The registry's stores are smaller when they are full.
const MAX_UNSAVED: usize = 32 << 20;
/// What a row takes beside the bytes in it, about.
pub(super) const ROW_OVERHEAD: usize = 128;

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The registry's secret.
    Salt([u8; 32]),
    /// The latest `last_seen` that was used.
    LastSeen(Timestamp),
    /// What was registered at run time.
    Capabilities(Vec<String>),
    /// All records under a key; none forgets it.
    Records([u8; 32], Vec<Entry>),
    /// All provider entries under a key; none forgets it.
    Providers([u8; 32], Vec<Entry>),
    /// All peers to remember, in place of those before.
    Peers(Vec<Remembered>),
    /// A peer that this node has to do with, by key.
    Contact([u8; 32], Contact),
}

/// What a change changes: of several of one place the last counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Salt,
    LastSeen,
    Capabilities,
    Peers,
    Records([u8; 32]),
    Providers([u8; 32]),
    Contact([u8; 32]),
}

impl Change {
    const fn slot(&self) -> Slot {
        match self {
            Self::Salt(_) => Slot::Salt,
            Self::LastSeen(_) => Slot::LastSeen,
            Self::Capabilities(_) => Slot::Capabilities,
            Self::Records(key, _) => Slot::Records(*key),
            Self::Providers(key, _) => Slot::Providers(*key),
            Self::Peers(_) => Slot::Peers,
            Self::Contact(key, _) => Slot::Contact(*key),
        }
    }

    /// Bytes of memory, about. What there is only one of is not counted.
    fn len(&self) -> usize {
        match self {
            Self::Salt(_) | Self::LastSeen(_) | Self::Capabilities(_) | Self::Peers(_) => 0,
            Self::Records(_, entries) | Self::Providers(_, entries) => {
                let len = |entry: &Entry| ROW_OVERHEAD + entry.value.len();
                ROW_OVERHEAD + entries.iter().map(len).sum::<usize>()
            }
            Self::Contact(_, contact) => {
                ROW_OVERHEAD + contact.addresses.iter().map(String::len).sum::<usize>()
            }
        }
    }
}

/// Changes that are not on disk yet, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    changes: BTreeMap<Slot, Change>,
    bytes: usize,
    lost: usize,
}

impl Unsaved {
    /// Takes a change, in the place of an older one. Without room for it the older one stays, and the
    /// loss is counted: entries of the registry that are out of date are found out when they are read.
    pub(super) fn add(&mut self, change: Change) {
        let slot = change.slot();
        let older = self.changes.get(&slot).map_or(0, Change::len);
        let bytes = self.bytes - older + change.len();
        if bytes > MAX_UNSAVED && change.len() > older {
            self.lost += 1;
            return;
        }
        self.bytes = bytes;
        self.changes.insert(slot, change);
    }

    /// Takes in what came after this.
    pub(super) fn merge(&mut self, later: Self) {
        self.lost += later.lost;
        for change in later.changes.into_values() {
            self.add(change);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    /// How many changes there was no room for.
    pub(super) const fn lost(&self) -> usize {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(key: u8, len: usize) -> Change {
        let entry = Entry { source: None, value: vec![key; len].into(), expires: 1 };
        Change::Records([key; 32], vec![entry])
    }

    #[test]
    fn of_several_changes_of_one_thing_the_last_counts() {
        let mut unsaved = Unsaved::default();
        unsaved.add(records(1, 10));
        unsaved.add(Change::Salt([1; 32]));
        let mut later = Unsaved::default();
        for _ in 0..1_000 {
            later.add(records(1, 5));
            later.add(Change::Salt([2; 32]));
        }
        unsaved.merge(later);
        let left: Vec<_> = unsaved.iter().cloned().collect();
        assert_eq!(left, [Change::Salt([2; 32]), records(1, 5)]);
        assert_eq!((unsaved.bytes, unsaved.lost()), (2 * ROW_OVERHEAD + 5, 0));
    }

    #[test]
    fn what_waits_is_bounded_and_what_does_not_fit_is_counted() {
        let mut unsaved = Unsaved::default();
        for key in 0..64 {
            unsaved.add(records(key, 1 << 20));
        }
        assert!(unsaved.bytes <= MAX_UNSAVED, "{}", unsaved.bytes);
        assert_eq!(unsaved.iter().count() + unsaved.lost(), 64);
        let waiting = unsaved.iter().count();
        unsaved.add(Change::LastSeen(Timestamp::from_millis(1)));
        unsaved.add(Change::Records([0; 32], Vec::new()));
        assert_eq!(unsaved.iter().count(), waiting + 1, "small and important things still fit");
        assert_eq!(unsaved.iter().count() + unsaved.lost(), 65);
    }
}
