//! Receipts for messages that only the disk remembers: it is asked, one question a peer at a time.

use hashlink::LinkedHashMap;

use super::settle::{Late, reached};
use super::{Effect, Outbox, Slot};
use crate::crypto::PublicKey;
use crate::delivery::status::Status;
use crate::id::MessageId;
use crate::message::ReceiptStatus;
use crate::time::Now;

/// Most messages of one peer about which the disk is to be asked. Beyond them nothing is learnt of those
/// that a receipt names, which is no falsehood.
const MAX_ASKED: usize = 4_096;
/// Most messages in one question.
const AT_ONCE: usize = 512;

/// Messages about which the disk is to be asked once it has answered, and what was said of them.
pub(super) type Asked = LinkedHashMap<MessageId, ReceiptStatus>;

impl Outbox {
    /// Asks the disk about messages that `slot` acknowledged. A peer to which nothing was ever accepted
    /// has nothing to acknowledge.
    pub(super) fn recall(&mut self, slot: Slot, ids: &[MessageId], status: ReceiptStatus) {
        let Some(queue) = self.queues.get(&slot).filter(|queue| queue.used) else { return };
        let peer = queue.peer;
        match self.recalls.get_mut(&slot) {
            Some(asked) => {
                for id in ids {
                    if asked.len() < MAX_ASKED || asked.contains_key(id) {
                        asked.insert(*id, status);
                    }
                }
            }
            None => {
                self.recalls.insert(slot, Asked::new());
                self.effects.push_back(Effect::Recall { peer, ids: ids.to_vec(), status });
            }
        }
    }

    /// Of the messages of an [`Effect::Recall`], those that were sent to that peer: the number, the id
    /// and the status that the disk has of each. Each question is answered once, whatever the disk says.
    pub fn recalled(
        &mut self,
        peer: &PublicKey,
        found: Vec<(u64, MessageId, Status)>,
        status: ReceiptStatus,
        now: Now,
    ) {
        let Some(slot) = self.slots.get(peer).copied() else { return };
        if let Some(next) = reached(status) {
            for (number, id, known) in found {
                // What is final stays, however often a peer repeats itself.
                if self.ids.contains_key(&id) || !known.may_become(&next) {
                    continue;
                }
                if !self.late.contains_key(&id) {
                    self.remember_late(id, Late { slot, number, status: known, writing: false });
                }
                self.late(slot, id, next.clone(), now.timestamp);
            }
        }
        let Some(mut asked) = self.recalls.remove(&slot) else { return };
        let Some((_, status)) = asked.front().map(|(id, status)| (*id, *status)) else { return };
        let same = asked.iter().take_while(|(_, said)| **said == status).take(AT_ONCE);
        let ids: Vec<_> = same.map(|(id, _)| *id).collect();
        for id in &ids {
            asked.remove(id);
        }
        self.recalls.insert(slot, asked);
        self.effects.push_back(Effect::Recall { peer: *peer, ids, status });
    }
}
