//! The window of each peer: what is in memory and under way (§8.1).

use super::queue::{Place, Queue, StreamState};
use super::{Effect, Outbox, Slot, Ticket};
use crate::crypto::PublicKey;
use crate::delivery::order::Order;
use crate::delivery::status::Status;
use crate::delivery::write::{Outgoing, Write};
use crate::error::ErrorCode;
use crate::id::MessageId;
use crate::limits::MAX_WINDOWS_BYTES;
use crate::time::Now;

impl Outbox {
    /// The link with `peer` takes messages from now on.
    pub fn attach(&mut self, peer: PublicKey) {
        let slot = self.slot(peer);
        if let Some(queue) = self.queues.get_mut(&slot)
            && !queue.attached
        {
            queue.rewind();
            queue.attached = true;
            if queue.stream_state == StreamState::New && !queue.entries.is_empty() {
                queue.stream_state = StreamState::Changing;
                self.write_stream(slot);
            }
        }
        self.fill(slot);
    }

    /// The link with `peer` is gone, or did not take what it was given. What it had is taken back: it may never
    /// be asked for again, and must not be sent after it has expired. The next one is given it anew.
    pub fn detach(&mut self, peer: &PublicKey) {
        let Some(slot) = self.slots.get(peer).copied() else { return };
        self.take_back(slot);
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        queue.attached = false;
        // To one that was used, receipts may still come.
        if !queue.used {
            self.queues.remove(&slot);
            self.slots.remove(peer);
            self.recalls.remove(&slot);
            self.restarts.retain(|(_, of)| *of != slot);
        }
        self.feed_starved();
    }

    /// Takes everything back from the link with `peer` and gives it again, from the disk; without a pause if
    /// one was made.
    pub fn again(&mut self, peer: &PublicKey) {
        let Some(slot) = self.slots.get(peer).copied() else { return };
        self.hurry_stream(slot);
        self.take_back(slot);
        self.fill(slot);
    }

    /// What the disk had under the numbers of an [`Effect::Load`], the lowest first; `None` if it could
    /// not be read.
    pub fn loaded(&mut self, ticket: Ticket, messages: Option<Vec<Outgoing>>, now: Now) {
        let Some((slot, from, to)) = self.loads.remove(&ticket) else { return };
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if queue.load != Some(ticket) {
            return;
        }
        queue.load = None;
        let Some(messages) = messages else {
            self.take_back(slot);
            return self.retry_later(now.instant);
        };
        let mut unmarked = Vec::new();
        for Outgoing { number, message, .. } in messages {
            let Some(entry) = queue.entries.get_mut(&number) else { continue };
            if entry.id != message.id || !matches!(entry.place, Place::Loading) {
                continue;
            }
            let message = Box::new(message);
            if entry.may_be_sent {
                entry.place = Place::Ready(message);
            } else {
                entry.place = Place::Marking(message);
                unmarked.push(number);
            }
        }
        let missing: Vec<u64> = queue
            .entries
            .range(from..=to)
            .filter(|(_, entry)| matches!(entry.place, Place::Loading) && entry.settled.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in missing {
            self.lost_on_disk(slot, number, now);
        }
        self.mark(slot, unmarked);
        self.hand_over(slot);
        self.fill(slot);
    }

    /// Writes the mark *may have been sent* where it is missing.
    pub(super) fn mark(&mut self, slot: Slot, mut numbers: Vec<u64>) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        numbers.retain(|number| {
            let Some(entry) = queue.entries.get_mut(number) else { return false };
            let wanted = !entry.marking && !entry.may_be_sent && entry.settled.is_none();
            entry.marking |= wanted;
            wanted
        });
        if !numbers.is_empty() {
            let peer = queue.peer;
            self.writes.push(Write::MaySend { peer, numbers: numbers.clone() });
            self.changes.push(super::writing::Change::Mark { slot, numbers });
        }
    }

    /// Gives the link what is ready, in order.
    pub(super) fn hand_over(&mut self, slot: Slot) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if !queue.attached || queue.stream_state != StreamState::Saved {
            return;
        }
        let mut messages = Vec::new();
        let range = queue.hand_from.min(queue.edge)..queue.edge;
        for (number, entry) in queue.entries.range_mut(range) {
            let is_there = matches!(entry.settled, Some(Status::Delivered | Status::Processed));
            match std::mem::replace(&mut entry.place, Place::Handed) {
                Place::Ready(message) if entry.settled.is_none() => {
                    let mut message = *message;
                    let stream = queue.stream;
                    message.order = Some(Order { after: None, number: *number, stream });
                    messages.push(message);
                }
                Place::Handed => {}
                // What is settled here has to be so on disk before anything after it goes: otherwise it
                // would be sent after that, if this entity crashed now. What arrived is not taken again.
                place @ (Place::Accepting(_)
                | Place::OnDisk
                | Place::Loading
                | Place::Marking(_)
                | Place::Ready(_)) => {
                    entry.place = place;
                    if !is_there {
                        break;
                    }
                }
            }
            queue.hand_from = number.saturating_add(1);
        }
        if !messages.is_empty() {
            self.effects.push_back(Effect::Hand { peer: queue.peer, messages });
        }
    }

    /// Asks the disk for what the window has a place for; what is held is not, nor anything after it.
    pub(super) fn fill(&mut self, slot: Slot) {
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if let Some(id) = queue.next_ahead() {
            self.effects.push_back(Effect::Ahead { peer: queue.peer, id });
        }
        let ready = queue.attached
            && queue.load.is_none()
            && queue.stream_state == StreamState::Saved
            && queue.has_gap();
        if !ready {
            return;
        }
        let Some((from, to)) = reserve(queue, &mut self.windows_bytes) else { return };
        let peer = queue.peer;
        let ticket = self.ticket();
        if let Some(queue) = self.queues.get_mut(&slot) {
            queue.load = Some(ticket);
            if let Some(id) = queue.next_ahead() {
                self.effects.push_back(Effect::Ahead { peer, id });
            }
        }
        self.loads.insert(ticket, (slot, from, to));
        self.effects.push_back(Effect::Load { ticket, peer, from, to });
    }

    /// Lets those load whom the budget of all windows had kept from it.
    pub(super) fn feed_starved(&mut self) {
        if self.windows_bytes >= MAX_WINDOWS_BYTES {
            return;
        }
        let starved: Vec<Slot> =
            self.queues.iter().filter(|(_, queue)| queue.starved).map(|(slot, _)| *slot).collect();
        for slot in starved {
            self.fill(slot);
        }
    }

    /// Empties the window; returns the messages that are with the link.
    fn rewind(&mut self, slot: Slot) -> Vec<MessageId> {
        let Some(queue) = self.queues.get_mut(&slot) else { return Vec::new() };
        let (bytes, handed) = queue.rewind();
        self.windows_bytes = self.windows_bytes.saturating_sub(bytes);
        handed
    }

    /// Empties the window, also at the link.
    pub(super) fn take_back(&mut self, slot: Slot) {
        let ids = self.rewind(slot);
        if let Some(queue) = self.queues.get(&slot)
            && !ids.is_empty()
        {
            self.effects.push_back(Effect::Withdraw { peer: queue.peer, ids });
        }
    }

    /// The disk has lost the body of a message. Nothing can be done for it.
    fn lost_on_disk(&mut self, slot: Slot, number: u64, now: Now) {
        let Some(entry) = self.queues.get(&slot).and_then(|queue| queue.entries.get(&number))
        else {
            return;
        };
        let status = if entry.may_be_sent {
            Status::Unknown
        } else {
            let detail = "this node's disk has lost its body".to_owned();
            Status::Failed { code: ErrorCode::InvalidState, detail }
        };
        self.settle(slot, number, status, now.timestamp);
    }
}

/// Gives the next messages on disk a place in the window; returns the first and the last number.
fn reserve(queue: &mut Queue, windows_bytes: &mut usize) -> Option<(u64, u64)> {
    let mut reserved = None;
    queue.starved = false;
    let Queue { entries, edge, window_len, window_bytes, starved, .. } = queue;
    let start = *edge;
    for (number, entry) in entries.range_mut(start..) {
        if entry.held || !matches!(entry.place, Place::OnDisk) {
            break;
        }
        let alone = *window_len == 0;
        let len = entry.len;
        let fits = *window_bytes + len <= crate::limits::MAX_WINDOW_BYTES;
        if *window_len >= crate::limits::MAX_WINDOW_MESSAGES || !(fits || alone) {
            break;
        }
        if *windows_bytes + len > MAX_WINDOWS_BYTES && !alone {
            *starved = true;
            break;
        }
        entry.place = Place::Loading;
        *window_len += 1;
        *window_bytes += len;
        *windows_bytes += len;
        *edge = number.saturating_add(1);
        reserved = Some((reserved.map_or(*number, |(from, _)| from), *number));
    }
    reserved
}
