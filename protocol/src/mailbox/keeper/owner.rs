//! One box: what waits for its owner, and the owner's prekeys.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::config::Room;
use crate::crypto::PublicKey;
use crate::id::ItemId;
use crate::mailbox::Prekey;
use crate::mailbox::change::{Change, Tag};
use crate::time::Timestamp;

/// What is known of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Its number at this node.
    pub(super) number: u64,
    /// Its sender's name for it.
    pub(super) id: ItemId,
    /// Who brought it.
    pub(super) sender: PublicKey,
    /// Its bytes.
    pub(super) len: u64,
    /// When it is deleted.
    pub(super) expires: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct OwnerBox {
    /// When the owner last showed up.
    pub(super) seen: Timestamp,
    pub(super) used: Room,
    pub(super) prekeys: VecDeque<Prekey>,
    pub(super) last_resort: Option<Prekey>,
    items: BTreeMap<u64, Held>,
    /// By sender: what it has here, and the numbers of its items.
    senders: HashMap<PublicKey, (Room, HashMap<ItemId, u64>)>,
}

impl OwnerBox {
    pub(super) fn of_sender(&self, sender: &PublicKey, id: ItemId) -> Option<&Held> {
        let number = self.senders.get(sender)?.1.get(&id)?;
        self.items.get(number)
    }

    pub(super) fn used_by(&self, sender: &PublicKey) -> Room {
        self.senders.get(sender).map(|(used, _)| *used).unwrap_or_default()
    }

    /// Items behind number `after`, by rising number.
    pub(super) fn after(&self, after: Option<u64>) -> impl Iterator<Item = &Held> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        self.items.range(from..).map(|(_, held)| held)
    }

    pub(super) fn insert(&mut self, held: Held) {
        self.used.add(held.len);
        let (used, numbers) = self.senders.entry(held.sender).or_default();
        used.add(held.len);
        numbers.insert(held.id, held.number);
        self.items.insert(held.number, held);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.items.remove(&number)?;
        self.used.subtract(held.len);
        if let Some((used, numbers)) = self.senders.get_mut(&held.sender) {
            used.subtract(held.len);
            numbers.remove(&held.id);
            if numbers.is_empty() {
                self.senders.remove(&held.sender);
            }
        }
        Some(held)
    }

    pub(super) fn remove_if(&mut self, over: impl Fn(&Held) -> bool) -> Vec<Held> {
        let numbers: Vec<_> =
            self.items.values().filter(|held| over(held)).map(|held| held.number).collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Deletes prekeys whose life is over, or all of them.
    pub(super) fn drop_prekeys(
        &mut self,
        owner: &PublicKey,
        now: Timestamp,
        all: bool,
        changes: &mut Vec<Change>,
    ) {
        self.prekeys.retain(|prekey| {
            let stays = !all && prekey.expires > now;
            if !stays {
                changes
                    .push(Change::delete(Tag::Prekey, &[owner.as_bytes(), prekey.id.as_bytes()]));
            }
            stays
        });
        if self.last_resort.take_if(|prekey| all || prekey.expires <= now).is_some() {
            changes.push(Change::delete(Tag::LastResort, &[owner.as_bytes()]));
        }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
