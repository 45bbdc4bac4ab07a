//! What lies, or is to lie, at one node as one item.

use serde::{Deserialize, Serialize};

use super::{Unsettled, Waiting};
use crate::id::{ItemId, MessageId, PrekeyId};
use crate::limits::{ITEM_TARGET_LEN, MAX_BATCH, MAX_ITEM_LEN, MAX_ITEM_TTL, MAX_SPENT_PREKEYS};
use crate::message::Message;
use crate::time::Timestamp;

/// What an item takes beside its bodies at most, with one message in it.
const OVERHEAD: usize = 2_048;

/// One item at one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parcel {
    pub(super) id: ItemId,
    /// The number before its first one that was unsettled when it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<u64>,
    /// Prekeys of earlier forms of it, and the one of this form last.
    pub(super) spent: Vec<PrekeyId>,
    /// Whether it has to be put (again).
    pub(super) stale: bool,
    pub(super) expires: Timestamp,
    /// Its messages: number and id, by rising number.
    pub(super) messages: Vec<(u64, MessageId)>,
}

impl Parcel {
    /// The next parcel of what waits behind number `last`; `None` if nothing does that fits into an item.
    pub(super) fn next(
        waiting: &Waiting,
        last: Option<u64>,
        id: ItemId,
        now: Timestamp,
    ) -> Option<Self> {
        let behind =
            waiting.messages.iter().filter(|one| last.is_none_or(|last| one.number > last));
        let latest = now + MAX_ITEM_TTL;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        let mut expires: Option<Timestamp> = None;
        for one in behind {
            let len = one.message.body.len();
            let end = one.expires.min(latest);
            // Those that end at different times do not share an item: it has only one end.
            let near = expires.is_none_or(|expires| expires.distance(end) <= MAX_ITEM_TTL / 16);
            let full = !messages.is_empty() && bytes + len > ITEM_TARGET_LEN;
            if full || !near || messages.len() == MAX_BATCH || !fits(one) || end <= now {
                break;
            }
            bytes += len;
            expires = Some(expires.map_or(end, |expires| expires.min(end)));
            messages.push((one.number, one.message.id));
        }
        let expires = expires?;
        Some(Self { id, after: None, spent: Vec::new(), stale: true, expires, messages })
    }

    /// Forgets what does not wait any more, and has it put again with a later end if it is over. Whether
    /// anything is left of it.
    pub(super) fn refresh(&mut self, waiting: &Waiting, now: Timestamp) -> bool {
        if !self.stale && self.expires > now {
            return true;
        }
        let latest = now + MAX_ITEM_TTL;
        let end_of = |one: &(u64, MessageId)| waiting.get(one.0).map(|one| one.expires.min(latest));
        self.messages.retain(|one| end_of(one).is_some_and(|end| end > now));
        self.stale = true;
        let end = self.messages.iter().filter_map(end_of).min();
        self.expires = end.unwrap_or(self.expires);
        end.is_some()
    }

    /// Its messages that are still unsettled, each behind the one before it.
    pub(super) fn in_order(&self, waiting: &Waiting) -> Vec<Message> {
        self.messages.iter().filter_map(|(number, _)| waiting.ordered(*number)).collect()
    }

    /// Notes a prekey that it is sealed to now; earlier ones are told to the receiver.
    pub(super) fn sealed_to(&mut self, prekey: PrekeyId) {
        self.spent.push(prekey);
        if self.spent.len() > MAX_SPENT_PREKEYS {
            self.spent.remove(0);
        }
    }
}

/// Whether a message fits into an item at all. Longer ones wait for their receiver.
fn fits(one: &Unsettled) -> bool {
    one.message.body.len() + OVERHEAD <= MAX_ITEM_LEN
}
