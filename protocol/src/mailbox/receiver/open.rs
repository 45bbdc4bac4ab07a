//! Items that were opened and are not done with: some of their messages are being written, or wait for a
//! predecessor. Bounded, so that one sender's items cannot keep out another's.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::crypto::PublicKey;
use crate::id::{MessageId, PrekeyId};
use crate::mailbox::Letter;

/// An item whose messages are all done with.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) node: PublicKey,
    pub(super) number: u64,
    /// What it was sealed to, and what earlier forms of it were.
    pub(super) prekeys: Vec<PrekeyId>,
}

#[derive(Debug)]
struct OpenItem {
    prekeys: Vec<PrekeyId>,
    sender: PublicKey,
    left: HashSet<MessageId>,
    held: bool,
}

#[derive(Debug)]
pub(super) struct OpenItems {
    per_sender: usize,
    most: usize,
    items: BTreeMap<(PublicKey, u64), OpenItem>,
    senders: HashMap<PublicKey, Vec<(PublicKey, u64)>>,
}

impl OpenItems {
    pub(super) fn new(per_sender: usize, most: usize) -> Self {
        Self { per_sender, most, items: BTreeMap::new(), senders: HashMap::new() }
    }

    /// Whether an item is open, and if it is, whether messages of it wait for others.
    pub(super) fn is_held(&self, node: &PublicKey, number: u64) -> Option<bool> {
        self.items.get(&(*node, number)).map(|item| item.held)
    }

    /// Notes an item, if there is room for one more of its sender. When all places are taken, an item
    /// that waits for others gives way.
    pub(super) fn add(
        &mut self,
        node: &PublicKey,
        number: u64,
        prekey: PrekeyId,
        letter: &Letter,
    ) -> bool {
        // One that was held is judged again: whoever held its messages may have had no room for them.
        if let Some(item) = self.items.get_mut(&(*node, number)) {
            item.held = false;
            return true;
        }
        if self.senders.get(&letter.sender).map_or(0, Vec::len) >= self.per_sender {
            return false;
        }
        if self.items.len() >= self.most {
            let held = self.items.iter().find(|(_, item)| item.held).map(|(key, _)| *key);
            let Some(held) = held else { return false };
            self.remove(held);
        }
        let key = (*node, number);
        self.senders.entry(letter.sender).or_default().push(key);
        let left = letter.messages.iter().map(|message| message.id).collect();
        let prekeys = letter.spent.iter().copied().chain([prekey]).collect();
        self.items.insert(key, OpenItem { prekeys, sender: letter.sender, left, held: false });
        true
    }

    pub(super) fn held(&mut self, node: &PublicKey, number: u64) {
        if let Some(item) = self.items.get_mut(&(*node, number)) {
            item.held = true;
        }
    }

    /// These messages of `sender` are done with; returns the items of which that was the last.
    pub(super) fn settle(&mut self, sender: &PublicKey, ids: &[MessageId]) -> Vec<Finished> {
        let mut finished = Vec::new();
        for key in self.senders.get(sender).cloned().unwrap_or_default() {
            let Some(item) = self.items.get_mut(&key) else { continue };
            item.left.retain(|id| !ids.contains(id));
            if item.left.is_empty()
                && let Some(item) = self.remove(key)
            {
                let (node, number) = key;
                finished.push(Finished { node, number, prekeys: item.prekeys });
            }
        }
        finished
    }

    pub(super) fn drop_sender(&mut self, sender: &PublicKey) {
        for key in self.senders.remove(sender).unwrap_or_default() {
            self.items.remove(&key);
        }
    }

    fn remove(&mut self, key: (PublicKey, u64)) -> Option<OpenItem> {
        let item = self.items.remove(&key)?;
        if let Some(keys) = self.senders.get_mut(&item.sender) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.senders.remove(&item.sender);
            }
        }
        Some(item)
    }
}
