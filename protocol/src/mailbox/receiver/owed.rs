//! Receipts that mailbox nodes are still to be told. On disk until they are told, since they cannot be made
//! again once the prekey is gone.
//!
//! A row is written with each message; what goes to a node is put together from many of them, since a node
//! counts receipts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::row_of;
use crate::cbor;
use crate::crypto::PublicKey;
use crate::error::ErrorCode;
use crate::id::MessageId;
use crate::limits::{MAX_ITEM_TTL, MAX_RECEIPT_IDS};
use crate::mailbox::MailStatus;
use crate::mailbox::change::{Change, Row, Tag};
use crate::time::Timestamp;

/// Most receipts that are owed, as rows.
const MAX_OWED: usize = 32_768;
/// How many give way at once when there are too many.
const GIVING_WAY: usize = MAX_OWED / 16;

/// A receipt that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwedReceipt {
    pub(super) at: Timestamp,
    pub(super) ids: Vec<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<ErrorCode>,
    #[serde(with = "serde_bytes")]
    pub(super) sender: [u8; 32],
    pub(super) status: MailStatus,
}

impl OwedReceipt {
    pub(super) fn row(&self, number: u64) -> Change {
        Change::write(Tag::Owed, &[&number.to_be_bytes()], cbor::encode(self))
    }
}

/// What a node is told at once about messages of one sender, and the rows that say so.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) receipt: OwedReceipt,
    pub(super) numbers: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Owed {
    all: BTreeMap<u64, OwedReceipt>,
    /// Which of them each node is to be told.
    nodes: BTreeMap<PublicKey, BTreeSet<u64>>,
    next: u64,
}

impl Owed {
    pub(super) fn new(nodes: &[PublicKey]) -> Self {
        let nodes = nodes.iter().map(|node| (*node, BTreeSet::new())).collect();
        Self { all: BTreeMap::new(), nodes, next: 0 }
    }

    pub(super) fn restore(&mut self, row: Row<'_>) {
        let Some((key, receipt)) = row_of::<OwedReceipt>(row, Tag::Owed) else { return };
        let Ok(number) = key.try_into().map(u64::from_be_bytes) else { return };
        self.next = self.next.max(number.saturating_add(1));
        // Whom it was told to already is not on disk: to be told twice does no harm.
        self.add(number, receipt);
    }

    fn add(&mut self, number: u64, receipt: OwedReceipt) {
        for numbers in self.nodes.values_mut() {
            numbers.insert(number);
        }
        self.all.insert(number, receipt);
    }

    fn remove(&mut self, number: u64) -> Change {
        for numbers in self.nodes.values_mut() {
            numbers.remove(&number);
        }
        self.all.remove(&number);
        Change::delete(Tag::Owed, &[&number.to_be_bytes()])
    }

    /// Receipts with numbers of their own, which are not owed yet.
    pub(super) fn make(
        &mut self,
        sender: &PublicKey,
        ids: &[MessageId],
        (status, code): (MailStatus, Option<ErrorCode>),
        at: Timestamp,
    ) -> Vec<(u64, OwedReceipt)> {
        let sender = *sender.as_bytes();
        let receipt = |ids: &[MessageId]| {
            self.next += 1;
            (self.next - 1, OwedReceipt { at, ids: ids.to_vec(), code, sender, status })
        };
        ids.chunks(MAX_RECEIPT_IDS).map(receipt).collect()
    }

    /// They are on disk, and owed to all nodes from now on. Returns what gives way to them.
    pub(super) fn insert(&mut self, made: Vec<(u64, OwedReceipt)>) -> Vec<Change> {
        for (number, one) in made {
            self.add(number, one);
        }
        if self.all.len() <= MAX_OWED {
            return Vec::new();
        }
        let gone = self.least_missed(GIVING_WAY);
        gone.into_iter().map(|number| self.remove(number)).collect()
    }

    /// What gives way: the oldest that some node was told, then the oldest of the sender that has most.
    fn least_missed(&self, count: usize) -> Vec<u64> {
        let told = |number: &&u64| self.nodes.values().any(|numbers| !numbers.contains(*number));
        let gone: Vec<u64> = self.all.keys().filter(told).copied().take(count).collect();
        if !gone.is_empty() {
            return gone;
        }
        let mut senders: HashMap<&[u8; 32], Vec<u64>> = HashMap::new();
        for (number, receipt) in &self.all {
            senders.entry(&receipt.sender).or_default().push(*number);
        }
        let most = senders.into_values().max_by_key(Vec::len).unwrap_or_default();
        most.into_iter().take(count).collect()
    }

    /// Of how many messages `node` is to be told.
    pub(super) fn count(&self, node: &PublicKey) -> usize {
        self.of_node(node, &BTreeSet::new()).map(|(_, receipt)| receipt.ids.len()).sum()
    }

    /// Whether `node` is to be told anything about others than those `left_out`.
    pub(super) fn waits(&self, node: &PublicKey, left_out: &BTreeSet<[u8; 32]>) -> bool {
        self.of_node(node, left_out).next().is_some()
    }

    fn of_node<'a>(
        &'a self,
        node: &PublicKey,
        left_out: &'a BTreeSet<[u8; 32]>,
    ) -> impl Iterator<Item = (u64, &'a OwedReceipt)> + use<'a> {
        let theirs = self.nodes.get(node).into_iter().flatten();
        let theirs = theirs.filter_map(|number| Some((*number, self.all.get(number)?)));
        theirs.filter(|(_, receipt)| !left_out.contains(&receipt.sender))
    }

    /// What `node` is to be told, the oldest first, about others than those `left_out`: at most `most`
    /// receipts. Those of one sender that say the same are one, up to its bound.
    pub(super) fn for_node(
        &self,
        node: &PublicKey,
        left_out: &BTreeSet<[u8; 32]>,
        most: usize,
    ) -> Vec<Merged> {
        let mut merged: Vec<Merged> = Vec::new();
        let mut last: HashMap<_, usize> = HashMap::new();
        for (number, one) in self.of_node(node, left_out) {
            let key = (one.sender, one.status, one.code);
            let open = last.get(&key).and_then(|at| merged.get_mut(*at));
            let open = open.filter(|it| it.receipt.ids.len() + one.ids.len() <= MAX_RECEIPT_IDS);
            if let Some(Merged { receipt, numbers }) = open {
                receipt.ids.extend(&one.ids);
                receipt.at = receipt.at.max(one.at);
                numbers.push(number);
            } else if merged.len() < most {
                last.insert(key, merged.len());
                merged.push(Merged { receipt: one.clone(), numbers: vec![number] });
            } else {
                break;
            }
        }
        merged
    }

    pub(super) fn told(&mut self, node: &PublicKey, told: &[u64], changes: &mut Vec<Change>) {
        for number in told {
            if let Some(numbers) = self.nodes.get_mut(node) {
                numbers.remove(number);
            }
            let is_done = !self.nodes.values().any(|numbers| numbers.contains(number));
            if is_done && self.all.contains_key(number) {
                changes.push(self.remove(*number));
            }
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        let over = self.all.iter().filter(|(_, receipt)| receipt.at + MAX_ITEM_TTL <= now);
        let over: Vec<_> = over.map(|(number, _)| *number).collect();
        changes.extend(over.into_iter().map(|number| self.remove(number)));
    }
}
