//! What mailbox nodes are still to be told: items that are done with, and receipts. On disk until they
//! are told, since neither can be made again once the prekey is gone.

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

/// Most receipts that are owed; the oldest give way.
const MAX_OWED: usize = 8_192;
/// Most items of one node that are done with and not settled; the oldest give way.
const MAX_DONE: usize = 16_384;

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

#[derive(Debug, Default)]
pub(super) struct Owed {
    all: BTreeMap<u64, (OwedReceipt, BTreeSet<PublicKey>)>,
    next: u64,
}

impl Owed {
    pub(super) fn restore(&mut self, row: Row<'_>, nodes: &[PublicKey]) {
        let Some((key, receipt)) = row_of::<OwedReceipt>(row, Tag::Owed) else { return };
        let Ok(number) = key.try_into().map(u64::from_be_bytes) else { return };
        self.next = self.next.max(number.saturating_add(1));
        // Whom it was told to already is not on disk: to be told twice does no harm.
        self.all.insert(number, (receipt, nodes.iter().copied().collect()));
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

    /// They are on disk, and owed to `nodes` from now on. Returns what gives way to them.
    pub(super) fn insert(
        &mut self,
        made: Vec<(u64, OwedReceipt)>,
        nodes: &BTreeSet<PublicKey>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        self.all.extend(made.into_iter().map(|(number, one)| (number, (one, nodes.clone()))));
        while self.all.len() > MAX_OWED
            && let Some((number, _)) = self.all.pop_first()
        {
            changes.push(Change::delete(Tag::Owed, &[&number.to_be_bytes()]));
        }
        changes
    }

    pub(super) fn waits(&self, node: &PublicKey) -> bool {
        self.all.values().any(|(_, nodes)| nodes.contains(node))
    }

    /// The oldest that `node` is to be told.
    pub(super) fn for_node(
        &self,
        node: &PublicKey,
        most: usize,
    ) -> impl Iterator<Item = (u64, &OwedReceipt)> {
        let theirs = self.all.iter().filter(move |(_, (_, nodes))| nodes.contains(node));
        theirs.map(|(number, (receipt, _))| (*number, receipt)).take(most)
    }

    pub(super) fn told(&mut self, node: &PublicKey, numbers: &[u64], changes: &mut Vec<Change>) {
        for number in numbers {
            let Some((_, nodes)) = self.all.get_mut(number) else { continue };
            nodes.remove(node);
            if nodes.is_empty() {
                self.all.remove(number);
                changes.push(Change::delete(Tag::Owed, &[&number.to_be_bytes()]));
            }
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        self.all.retain(|number, (receipt, nodes)| {
            let stays = receipt.at + MAX_ITEM_TTL > now && !nodes.is_empty();
            if !stays {
                changes.push(Change::delete(Tag::Owed, &[&number.to_be_bytes()]));
            }
            stays
        });
    }
}

#[derive(Debug, Default)]
pub(super) struct Done {
    nodes: HashMap<PublicKey, BTreeMap<u64, Timestamp>>,
}

impl Done {
    pub(super) fn restore(&mut self, row: Row<'_>) {
        let Some((key, at)) = row_of::<Timestamp>(row, Tag::Done) else { return };
        let Some((node, number)) = key.split_first_chunk::<32>() else { return };
        let (Ok(node), Ok(number)) = (PublicKey::from_bytes(node), number.try_into()) else {
            return;
        };
        self.nodes.entry(node).or_default().insert(u64::from_be_bytes(number), at);
    }

    /// The row of an item that is done with.
    pub(super) fn row(node: &PublicKey, number: u64, at: Timestamp) -> Change {
        let key = [&node.as_bytes()[..], &number.to_be_bytes()];
        Change::write(Tag::Done, &key, cbor::encode(&at))
    }

    /// Notes an item that is done with. Without room the oldest gives way.
    pub(super) fn add(&mut self, node: &PublicKey, number: u64, at: Timestamp) -> Option<Change> {
        let items = self.nodes.entry(*node).or_default();
        items.insert(number, at);
        let (oldest, _) = (items.len() > MAX_DONE).then(|| items.pop_first())??;
        Some(delete(node, oldest))
    }

    pub(super) fn contains(&self, node: &PublicKey, number: u64) -> bool {
        self.nodes.get(node).is_some_and(|items| items.contains_key(&number))
    }

    pub(super) fn waits(&self, node: &PublicKey) -> bool {
        self.nodes.get(node).is_some_and(|items| !items.is_empty())
    }

    pub(super) fn for_node(&self, node: &PublicKey, most: usize) -> Vec<u64> {
        let items = self.nodes.get(node).into_iter().flatten();
        items.map(|(number, _)| *number).take(most).collect()
    }

    pub(super) fn told(&mut self, node: &PublicKey, numbers: &[u64], changes: &mut Vec<Change>) {
        let Some(items) = self.nodes.get_mut(node) else { return };
        for number in numbers {
            if items.remove(number).is_some() {
                changes.push(delete(node, *number));
            }
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        for (node, items) in &mut self.nodes {
            items.retain(|number, at| {
                let stays = *at + MAX_ITEM_TTL > now;
                if !stays {
                    changes.push(delete(node, *number));
                }
                stays
            });
        }
    }
}

fn delete(node: &PublicKey, number: u64) -> Change {
    Change::delete(Tag::Done, &[&node.as_bytes()[..], &number.to_be_bytes()])
}
