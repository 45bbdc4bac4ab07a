//! Items that are done with and that their nodes are still to delete. On disk until they are told, since
//! they cannot be opened again once the prekey is gone.

use std::collections::{BTreeMap, HashMap};

use super::row_of;
use crate::cbor;
use crate::crypto::PublicKey;
use crate::limits::MAX_ITEM_TTL;
use crate::mailbox::change::{Change, Row, Tag};
use crate::time::Timestamp;

/// Most items of one node that are done with and not settled; the oldest give way.
const MAX_DONE: usize = 16_384;

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
