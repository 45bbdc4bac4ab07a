//! How messages are settled: by what their receivers say, by the clock, or by whoever sent them.

use super::queue::{Place, Wanted};
use super::{Outbox, Slot};
use crate::crypto::PublicKey;
use crate::delivery::status::Status;
use crate::error::ErrorCode;
use crate::id::MessageId;
use crate::limits::MAX_MESSAGE_TTL;
use crate::message::ReceiptStatus;
use crate::time::{Now, Timestamp};

/// Settled messages of which more may be heard that are remembered; more is heard of others as well,
/// but then the disk has to be asked.
const MAX_LATE: usize = 16_384;

/// A message that is settled on disk.
#[derive(Debug, Clone)]
pub(super) struct Late {
    pub(super) slot: Slot,
    pub(super) number: u64,
    pub(super) status: Status,
    /// Whether a newer status is on its way to the disk.
    pub(super) writing: bool,
}

impl Outbox {
    /// `peer` acknowledged messages.
    pub fn acknowledged(
        &mut self,
        peer: &PublicKey,
        ids: &[MessageId],
        status: ReceiptStatus,
        now: Now,
    ) {
        let Some(next) = reached(status) else { return };
        let Some(slot) = self.slots.get(peer).copied() else { return };
        let mut unknown = Vec::new();
        for id in ids {
            match self.ids.get(id) {
                Some((of, number)) if *of == slot => {
                    self.arrived(slot, *number, next.clone(), now.timestamp);
                }
                Some(_) => {}
                None if self.late.contains_key(id) => {
                    self.late(slot, *id, next.clone(), now.timestamp);
                }
                None => unknown.push(*id),
            }
        }
        if !unknown.is_empty() {
            self.recall(slot, &unknown, status);
        }
        self.hand_over(slot);
        self.fill(slot);
    }

    /// `peer` refused a message for good.
    pub fn refused(
        &mut self,
        peer: &PublicKey,
        id: MessageId,
        code: ErrorCode,
        detail: String,
        now: Now,
    ) {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return };
        if self.slots.get(peer) == Some(&slot) {
            self.settle(slot, number, Status::Failed { code, detail }, now.timestamp);
        }
    }

    /// Cancels a message; what became of it follows. Returns whether it is unsettled.
    pub fn cancel(&mut self, id: MessageId, now: Now) -> bool {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return false };
        self.want(slot, number, Wanted::Cancel, now.timestamp)
    }

    /// Settles what has run out of time.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((expires, slot, number)) = self.deadlines.first().copied()
            && expires <= now
        {
            self.deadlines.remove(&(expires, slot, number));
            self.want(slot, number, Wanted::Expire, now);
        }
    }

    /// A clock that went back makes messages live longer, but not for ever.
    pub(super) fn shorten(&mut self, now: Timestamp) {
        let latest = now + MAX_MESSAGE_TTL;
        while let Some((expires, slot, number)) = self.deadlines.last().copied()
            && expires > latest
        {
            self.deadlines.remove(&(expires, slot, number));
            let queue = self.queues.get_mut(&slot);
            if let Some(entry) = queue.and_then(|queue| queue.entries.get_mut(&number)) {
                entry.expires = latest;
                self.deadlines.insert((latest, slot, number));
            }
        }
    }

    /// Settles a message as soon as it is certain whether it may have been sent.
    fn want(&mut self, slot: Slot, number: u64, why: Wanted, now: Timestamp) -> bool {
        let queue = self.queues.get_mut(&slot);
        let Some(entry) = queue.and_then(|queue| queue.entries.get_mut(&number)) else {
            return false;
        };
        if entry.settled.is_some() {
            return false;
        }
        entry.wanted.get_or_insert(why);
        self.settle_if_wanted(slot, number, now);
        true
    }

    pub(super) fn settle_if_wanted(&mut self, slot: Slot, number: u64, now: Timestamp) {
        let queue = self.queues.get(&slot);
        let Some(entry) = queue.and_then(|queue| queue.entries.get(&number)) else { return };
        let undecided = entry.marking || matches!(entry.place, Place::Accepting(_));
        let Some(wanted) = entry.wanted.filter(|_| !undecided) else { return };
        let status = match (entry.may_be_sent, wanted) {
            (true, _) => Status::Unknown,
            (false, Wanted::Expire) => Status::Expired,
            (false, Wanted::Cancel) => Status::Cancelled,
        };
        self.settle(slot, number, status, now);
    }

    /// An unsettled message is settled from now on; the disk is told.
    pub(super) fn settle(&mut self, slot: Slot, number: u64, status: Status, now: Timestamp) {
        let queue = self.queues.get_mut(&slot);
        let Some(entry) = queue.and_then(|queue| queue.entries.get_mut(&number)) else { return };
        if entry.settled.is_none() {
            entry.settled = Some(status.clone());
            let id = entry.id;
            self.write_became(slot, number, id, status, now);
        }
    }

    /// A message has come as far as `next`.
    fn arrived(&mut self, slot: Slot, number: u64, next: Status, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let Some(entry) = queue.entries.get_mut(&number) else { return };
        if !entry.may_be_sent {
            // It cannot have arrived.
            return;
        }
        queue.refused_streams = 0;
        if matches!(entry.place, Place::Handed) {
            // The link has let it go.
            entry.place = Place::OnDisk;
        }
        match &entry.settled {
            None => self.settle(slot, number, next, now),
            // A write is on its way; this one follows it.
            Some(known) if known.may_become(&next) => entry.settled = Some(next),
            Some(_) => {}
        }
    }

    /// More is heard of a message that is settled on disk.
    pub(super) fn late(&mut self, slot: Slot, id: MessageId, next: Status, now: Timestamp) {
        let Some(late) = self.late.get_mut(&id) else { return };
        if late.slot != slot || !late.status.may_become(&next) {
            return;
        }
        late.status = next.clone();
        let number = late.number;
        if !std::mem::replace(&mut late.writing, true) {
            self.write_became(slot, number, id, next, now);
        }
    }

    /// The newest that is known of a message.
    pub(super) fn settled(&self, slot: Slot, number: u64, id: MessageId) -> Option<Status> {
        if self.ids.get(&id) == Some(&(slot, number)) {
            return self.entry(id)?.settled.clone();
        }
        self.late.get(&id).map(|late| late.status.clone())
    }

    /// The newest that is known of a message is on disk.
    pub(super) fn late_written(&mut self, id: MessageId) {
        if let Some(late) = self.late.get_mut(&id) {
            late.writing = false;
        }
    }

    pub(super) fn remember_late(&mut self, id: MessageId, late: Late) {
        if matches!(late.status, Status::Delivered | Status::Unknown) {
            self.late.insert(id, late);
            if self.late.len() > MAX_LATE {
                self.late.pop_front();
            }
        }
    }
}

/// How far a receipt says that a message has come; `None` for a promise about volatile messages only.
pub(super) const fn reached(status: ReceiptStatus) -> Option<Status> {
    match status {
        ReceiptStatus::Received => None,
        ReceiptStatus::Delivered => Some(Status::Delivered),
        ReceiptStatus::Processed => Some(Status::Processed),
    }
}
