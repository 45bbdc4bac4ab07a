//! Messages of one sender that wait for a predecessor, and the room that those of all senders share (§8.2).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::{MessageId, StreamId};
use crate::limits::{MAX_ALL_HELD_BYTES, MAX_HELD_BYTES, MAX_HELD_MESSAGES};
use crate::message::Message;

/// What a held message takes beside its body, about.
const OVERHEAD: usize = 256;

/// Room for what is held of all senders; clones are the same room.
///
/// Each sender gets an equal share, and more as long as a quarter of the room is free. Whoever has
/// more than a share gives way when it is not: at once if it asks for more, else when it is asked to.
#[derive(Debug, Clone)]
pub struct HeldRoom(Arc<Mutex<Used>>);

#[derive(Debug)]
struct Used {
    most: usize,
    bytes: usize,
    /// Senders that have something in it.
    holders: usize,
}

impl Default for HeldRoom {
    fn default() -> Self {
        Self::of(MAX_ALL_HELD_BYTES)
    }
}

impl HeldRoom {
    /// Room for `most` bytes, with 256 bytes on top for each message.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Used { most, bytes: 0, holders: 0 })))
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Gives a sender that has `before` bytes up to `wanted` bytes instead; returns how many it has now.
    fn change(&self, before: usize, wanted: usize) -> usize {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = used.bytes.saturating_sub(before);
        let holders = used.holders.saturating_sub(usize::from(before > 0));
        // One share is left over for whoever comes next.
        let share = (used.most / (holders + 2)).min(used.most.saturating_sub(others));
        let plenty = (used.most / 4 * 3).saturating_sub(others);
        let granted = wanted.min(share.max(plenty));
        used.bytes = others + granted;
        used.holders = holders + usize::from(granted > 0);
        granted
    }
}

/// What is held of one sender: messages of one stream, by number.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: BTreeMap<u64, Message>,
    stream: Option<StreamId>,
    /// Of their bodies.
    bytes: usize,
    share: Share,
}

/// What one sender has of a room, until it is dropped.
#[derive(Debug, Default)]
struct Share {
    room: HeldRoom,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.change(self.bytes, 0);
    }
}

impl Held {
    pub(super) fn within(room: HeldRoom) -> Self {
        let share = Share { room, bytes: 0 };
        Self { share, ..Self::default() }
    }

    /// Messages, and bytes of their bodies.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.messages.len(), self.bytes)
    }

    pub(super) fn is_of(&self, stream: StreamId) -> bool {
        self.stream == Some(stream)
    }

    pub(super) fn has(&self, number: u64, id: MessageId) -> bool {
        self.messages.get(&number).is_some_and(|held| held.id == id)
    }

    pub(super) fn first(&self) -> Option<(u64, &Message)> {
        self.messages.first_key_value().map(|(number, message)| (*number, message))
    }

    /// Holds a message with the newest word on what it comes after, and lets go of those of another
    /// stream. Without room the highest numbers go.
    pub(super) fn insert(&mut self, message: Message) {
        let Some(order) = message.order else { return };
        if !self.is_of(order.stream) {
            self.clear();
            self.stream = Some(order.stream);
        }
        // What it comes after only goes down with time; a lower word is the newer one.
        let newer = |held: &Message| held.order.is_some_and(|held| held.after < order.after);
        if self.messages.get(&order.number).is_some_and(newer) {
            return;
        }
        self.bytes += message.body.len();
        if let Some(former) = self.messages.insert(order.number, message) {
            self.bytes -= former.body.len();
        }
        self.fit();
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Message> {
        let message = self.messages.remove(&number)?;
        self.bytes -= message.body.len();
        self.fit();
        Some(message)
    }

    /// Takes out those below `number`, the lowest first, and drops a copy of that one itself.
    pub(super) fn take_before(&mut self, number: u64) -> Vec<Message> {
        let mut later = self.messages.split_off(&number);
        let copy = later.remove(&number);
        let before = std::mem::replace(&mut self.messages, later);
        let gone = before.values().chain(&copy).map(|message| message.body.len());
        self.bytes -= gone.sum::<usize>();
        self.fit();
        before.into_values().collect()
    }

    /// Takes out all, the lowest first.
    pub(super) fn take_all(&mut self) -> Vec<Message> {
        let all = std::mem::take(&mut self.messages);
        self.clear();
        all.into_values().collect()
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
        self.fit();
    }

    /// Drops the highest numbers until the rest is within its bounds.
    pub(super) fn fit(&mut self) {
        loop {
            let wanted = self.bytes + OVERHEAD * self.messages.len();
            self.share.bytes = self.share.room.change(self.share.bytes, wanted);
            let too_much = |it: &Self| {
                it.bytes > MAX_HELD_BYTES
                    || it.messages.len() > MAX_HELD_MESSAGES
                    || it.bytes + OVERHEAD * it.messages.len() > it.share.bytes
            };
            if !too_much(self) {
                return;
            }
            while too_much(self) {
                let Some((_, last)) = self.messages.pop_last() else { break };
                self.bytes -= last.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests;
