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

/// The receipts of a mailbox node: their bytes are on disk.
#[derive(Debug, Default)]
pub(super) struct ReceiptShelf {
    all: BTreeMap<u64, Kept>,
    by_sender: HashMap<[u8; 32], BTreeSet<u64>>,
    by_owner: HashMap<[u8; 32], BTreeSet<u64>>,
}

impl ReceiptShelf {
    /// Keeps a receipt of `owner`, if it is one. Where there is no room the owner's oldest gives way, and
    /// one without any is not kept.
    pub(super) fn keep(
        &mut self,
        owner: &PublicKey,
        bytes: &[u8],
        number: u64,
        now: Timestamp,
        config: &KeeperConfig,
        changes: &mut Vec<Change>,
    ) -> bool {
        let Ok(receipt) = MailReceipt::verify(bytes) else { return false };
        if receipt.owner != *owner {
            return false;
        }
        let (owner, sender) = (*owner.as_bytes(), *receipt.sender.as_bytes());
        let full =
            |numbers: Option<&BTreeSet<u64>>| numbers.map_or(0, BTreeSet::len) >= config.receipts;
        let sender_full = full(self.by_sender.get(&sender));
        if sender_full || full(self.by_owner.get(&owner)) || self.all.len() >= config.total_receipts
        {
            let helps = |kept: &Kept| !sender_full || kept.sender == sender;
            let own = self.by_owner.get(&owner).into_iter().flatten();
            let oldest = own.copied().find(|number| self.all.get(number).is_some_and(helps));
            let Some(oldest) = oldest else { return false };
            self.remove(oldest, changes);
        }
        let kept = Kept { owner, sender, expires: now + MAX_ITEM_TTL };
        row::write_receipt(number, &kept, bytes, changes);
        self.restore(number, kept);
        true
    }

    /// Takes back what was kept before a restart.
    pub(super) fn restore(&mut self, number: u64, kept: Kept) {
        self.by_sender.entry(kept.sender).or_default().insert(number);
        self.by_owner.entry(kept.owner).or_default().insert(number);
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
        forget(&mut self.by_owner, &kept.owner, number);
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
