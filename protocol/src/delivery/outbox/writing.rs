//! What the disk says about writes.

use super::queue::{Place, StreamState};
use super::settle::Late;
use super::{Effect, Outbox, RETRY, Slot, Ticket};
use crate::delivery::status::Status;
use crate::delivery::write::Write;
use crate::id::{MessageId, StreamId};
use crate::time::{Instant, Now, Timestamp};

/// What a write is about.
#[derive(Debug)]
pub(super) enum Change {
    Stream { slot: Slot, stream: StreamId },
    Accept { slot: Slot, number: u64, len: usize, marked: bool },
    Mark { slot: Slot, numbers: Vec<u64> },
    Became { slot: Slot, number: u64, id: MessageId, status: Status, at: Timestamp },
}

impl Outbox {
    /// The disk has written everything of `ticket`, or nothing.
    pub fn written(&mut self, ticket: Ticket, done: bool, now: Now) {
        let Some(changes) = self.under_way.remove(&ticket) else { return };
        let mut slots: Vec<Slot> = Vec::new();
        for change in changes {
            let slot = change.slot();
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
            if done {
                self.done(change, now.timestamp);
            } else {
                self.not_done(change, now);
            }
        }
        slots.sort_unstable();
        slots.dedup();
        for slot in slots {
            self.hand_over(slot);
            self.fill(slot);
        }
        self.feed_starved();
    }

    fn done(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Stream { slot, stream } => self.stream_saved(slot, stream),
            Change::Accept { slot, number, len, marked } => {
                self.unwritten = self.unwritten.saturating_sub(len as u64);
                self.accepted(slot, number, marked, now);
            }
            Change::Mark { slot, numbers } => {
                for number in numbers {
                    self.marked(slot, number, now);
                }
            }
            Change::Became { slot, number, id, status, .. } => {
                self.became(slot, number, id, status, now);
            }
        }
    }

    fn not_done(&mut self, change: Change, now: Now) {
        match change {
            Change::Accept { slot, number, len, .. } => {
                self.unwritten = self.unwritten.saturating_sub(len as u64);
                if let (Some(entry), Some(queue)) =
                    (self.forget(slot, number), self.queues.get(&slot))
                {
                    let peer = queue.peer;
                    self.effects.push_back(Effect::NotAccepted { peer, id: entry.id });
                }
                return;
            }
            Change::Mark { slot, ref numbers } => {
                if let Some(queue) = self.queues.get_mut(&slot) {
                    for number in numbers {
                        if let Some(entry) = queue.entries.get_mut(number) {
                            entry.marking = false;
                        }
                    }
                }
                for number in numbers {
                    self.settle_if_wanted(slot, *number, now.timestamp);
                }
            }
            Change::Stream { .. } | Change::Became { .. } => {}
        }
        self.refused.push(change);
        self.retry_later(now.instant);
    }

    pub(super) fn retry_later(&mut self, now: Instant) {
        self.retry_at.get_or_insert(now + RETRY);
    }

    /// Tries again what the disk refused.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.retry_at = None;
        for change in std::mem::take(&mut self.refused) {
            self.write_again(change);
        }
        let slots: Vec<Slot> = self.queues.keys().copied().collect();
        for slot in slots {
            self.hand_over(slot);
            self.fill(slot);
        }
    }

    fn write_again(&mut self, change: Change) {
        match change {
            // The next accept writes it.
            Change::Stream { slot, stream } => {
                let Some(queue) = self.queues.get(&slot) else { return };
                let still = queue.stream == stream && queue.stream_state == StreamState::Changing;
                if still {
                    self.write_stream(slot);
                }
            }
            Change::Accept { .. } => {}
            Change::Mark { slot, numbers } => self.mark(slot, numbers),
            Change::Became { slot, number, id, status, at } => {
                let newest = self.settled(slot, number, id).unwrap_or(status);
                self.write_became(slot, number, id, newest, at);
            }
        }
    }

    /// A message is on disk.
    fn accepted(&mut self, slot: Slot, number: u64, marked: bool, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let peer = queue.peer;
        let Some(entry) = queue.entries.get_mut(&number) else { return };
        let id = entry.id;
        self.effects.push_back(Effect::Tell { peer, id, status: Status::Queued });
        if marked {
            entry.may_be_sent = true;
            self.effects.push_back(Effect::Tell { peer, id, status: Status::Sent });
        }
        let accepting = std::mem::replace(&mut entry.place, Place::OnDisk);
        if let Place::Accepting(Some(message)) = accepting {
            entry.place = Place::Ready(message);
        }
        self.settle_if_wanted(slot, number, now);
    }

    /// A message may be sent from now on.
    fn marked(&mut self, slot: Slot, number: u64, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let peer = queue.peer;
        let Some(entry) = queue.entries.get_mut(&number) else { return };
        let first = !std::mem::replace(&mut entry.may_be_sent, true);
        entry.marking = false;
        let id = entry.id;
        let place = std::mem::replace(&mut entry.place, Place::OnDisk);
        entry.place = match place {
            Place::Marking(message) => Place::Ready(message),
            place @ (Place::Accepting(_)
            | Place::OnDisk
            | Place::Loading
            | Place::Ready(_)
            | Place::Handed) => place,
        };
        if first {
            self.effects.push_back(Effect::Tell { peer, id, status: Status::Sent });
        }
        self.settle_if_wanted(slot, number, now);
    }

    /// The disk knows the status of a message.
    fn became(&mut self, slot: Slot, number: u64, id: MessageId, status: Status, now: Timestamp) {
        let Some(peer) = self.queues.get(&slot).map(|queue| queue.peer) else { return };
        self.effects.push_back(Effect::Tell { peer, id, status: status.clone() });
        match self.settled(slot, number, id) {
            Some(newest) if newest != status => {
                return self.write_became(slot, number, id, newest, now);
            }
            Some(_) | None => self.late_written(id),
        }
        let is_entry = self.ids.get(&id) == Some(&(slot, number));
        if is_entry && let Some(entry) = self.forget(slot, number) {
            // What arrived, the link has let go; anything else it may have from before the queue was last
            // detached.
            let arrived = matches!(status, Status::Delivered | Status::Processed);
            if entry.may_be_sent && (!arrived || matches!(entry.place, Place::Handed)) {
                self.effects.push_back(Effect::Withdraw { peer, ids: vec![id] });
            }
            self.remember_late(id, Late { slot, number, status, writing: false });
        }
    }

    pub(super) fn write_became(
        &mut self,
        slot: Slot,
        number: u64,
        id: MessageId,
        status: Status,
        at: Timestamp,
    ) {
        let Some(peer) = self.queues.get(&slot).map(|queue| queue.peer) else { return };
        self.writes.push(Write::Became { peer, number, id, status: status.clone(), at });
        self.changes.push(Change::Became { slot, number, id, status, at });
    }
}

impl Change {
    const fn slot(&self) -> Slot {
        match self {
            Self::Stream { slot, .. }
            | Self::Accept { slot, .. }
            | Self::Mark { slot, .. }
            | Self::Became { slot, .. } => *slot,
        }
    }
}
