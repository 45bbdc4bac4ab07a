//! Receipts that owners leave for those who sent them something.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Bodies, KeeperConfig, row};
use crate::crypto::PublicKey;
use crate::limits::{MAX_ITEM_TTL, MAX_MAIL_RECEIPTS};
use crate::mailbox::MailReceipt;
use crate::mailbox::change::{Change, Tag};
use crate::message::{Collect, NumberedReceipt, Receipts};
use crate::time::Timestamp;

/// What is known of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    #[serde(with = "serde_bytes")]
    pub(super) owner: [u8; 32],
    #[serde(with = "serde_bytes")]
    pub(super) sender: [u8; 32],
    pub(super) expires: Timestamp,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelved {
    Kept,
    /// There is no room for it.
    Full,
    /// It is no receipt of the asker's.
    NoReceipt,
}

/// The receipts of a mailbox node: their bytes are on disk.
#[derive(Debug, Default)]
pub(super) struct ReceiptShelf {
    all: BTreeMap<u64, Kept>,
    by_sender: HashMap<[u8; 32], BTreeSet<u64>>,
    by_owner: HashMap<[u8; 32], Shelf>,
}

/// What one owner has left, by sender.
#[derive(Debug, Default)]
struct Shelf {
    count: usize,
    senders: HashMap<[u8; 32], BTreeSet<u64>>,
}

impl ReceiptShelf {
    /// Keeps a receipt of `owner`, if it is one. Those for one sender only fill their own place. When the
    /// owner has no more room, or the node, the oldest for the sender that the owner has left most for
    /// gives way, unless that is this one.
    pub(super) fn keep(
        &mut self,
        owner: &PublicKey,
        bytes: &[u8],
        number: u64,
        now: Timestamp,
        config: &KeeperConfig,
        changes: &mut Vec<Change>,
    ) -> Shelved {
        let Ok(receipt) = MailReceipt::verify(bytes) else { return Shelved::NoReceipt };
        if receipt.owner != *owner {
            return Shelved::NoReceipt;
        }
        let (owner, sender) = (*owner.as_bytes(), *receipt.sender.as_bytes());
        let nothing = Shelf::default();
        let shelf = self.by_owner.get(&owner).unwrap_or(&nothing);
        let theirs = shelf.senders.get(&sender).map_or(0, BTreeSet::len);
        if theirs >= config.receipts {
            return Shelved::Full;
        }
        if shelf.count >= config.owner_receipts || self.all.len() >= config.total_receipts {
            let most = shelf.senders.values().max_by_key(|numbers| numbers.len());
            let oldest =
                most.filter(|numbers| numbers.len() > theirs + 1).and_then(BTreeSet::first);
            let Some(oldest) = oldest.copied() else { return Shelved::Full };
            self.remove(oldest, changes);
        }
        let kept = Kept { owner, sender, expires: now + MAX_ITEM_TTL };
        row::write_receipt(number, &kept, bytes, changes);
        self.restore(number, kept);
        Shelved::Kept
    }

    /// Takes back what was kept before a restart.
    pub(super) fn restore(&mut self, number: u64, kept: Kept) {
        self.by_sender.entry(kept.sender).or_default().insert(number);
        let shelf = self.by_owner.entry(kept.owner).or_default();
        if shelf.senders.entry(kept.sender).or_default().insert(number) {
            shelf.count += 1;
        }
        self.all.insert(number, kept);
    }

    /// A page of what waits for `sender`, without what it has.
    pub(super) fn collect(
        &mut self,
        sender: &PublicKey,
        collect: Collect,
        bodies: &impl Bodies,
        changes: &mut Vec<Change>,
    ) -> Receipts {
        let sender = sender.as_bytes();
        if let Some(done) = collect.done {
            let has = self.by_sender.get(sender).map(|all| all.range(..=done).copied().collect());
            let has: Vec<u64> = has.unwrap_or_default();
            has.into_iter().for_each(|number| self.remove(number, changes));
        }
        let waiting = self.by_sender.get(sender);
        let more = waiting.is_some_and(|all| all.len() > MAX_MAIL_RECEIPTS);
        let page = waiting.into_iter().flatten().take(MAX_MAIL_RECEIPTS);
        let receipt = |number: &u64| {
            let receipt = ByteBuf::from(bodies.read(*number)?);
            Some(NumberedReceipt { number: *number, receipt })
        };
        Receipts { more, receipts: page.filter_map(receipt).collect() }
    }

    /// How many wait for `sender`.
    pub(super) fn waiting(&self, sender: &PublicKey) -> u64 {
        self.by_sender.get(sender.as_bytes()).map_or(0, |all| all.len() as u64)
    }

    pub(super) fn expire(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        let over = self.all.iter().filter(|(_, kept)| kept.expires <= now);
        let over: Vec<_> = over.map(|(number, _)| *number).collect();
        over.into_iter().for_each(|number| self.remove(number, changes));
    }

    fn remove(&mut self, number: u64, changes: &mut Vec<Change>) {
        let Some(kept) = self.all.remove(&number) else { return };
        forget(&mut self.by_sender, &kept.sender, number);
        if let Some(shelf) = self.by_owner.get_mut(&kept.owner) {
            forget(&mut shelf.senders, &kept.sender, number);
            shelf.count = shelf.count.saturating_sub(1);
            if shelf.count == 0 {
                self.by_owner.remove(&kept.owner);
            }
        }
        let number = number.to_be_bytes();
        changes.push(Change::delete(Tag::Receipt, &[&number]));
        changes.push(Change::delete(Tag::Body, &[&number]));
    }
}

fn forget(index: &mut HashMap<[u8; 32], BTreeSet<u64>>, key: &[u8; 32], number: u64) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}
