//! What one sender's ordered messages are to their receiver: known, being written, next, early, or
//! too late (§8.2).

use std::collections::HashMap;

use hashlink::LinkedHashMap;

use super::held::{Held, HeldRoom};
use super::order::{Order, Position};
use super::write::Arrival;
use crate::crypto::PublicKey;
use crate::id::MessageId;
use crate::limits::{MAX_DEAD_STREAMS, MAX_TAKEN_IDS, MAX_WRITING_BYTES, MAX_WRITING_MESSAGES};
use crate::message::{Message, ReceiptStatus};
use crate::time::Timestamp;

/// What the disk knows of one sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// How far it has come.
    pub position: Position,
    /// The last messages that were taken, the oldest first, and whether the agent took them.
    pub taken: Vec<(MessageId, bool)>,
    /// Messages that the agent took and whose sender is still to be told.
    pub owed: Vec<MessageId>,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken before: this far it has come.
    Known(ReceiptStatus),
    /// It is being written.
    Writing,
    /// Its stream is over, or later ones were taken: `SEQUENCE_ERROR`.
    OutOfSequence,
    /// It is to be taken now, after those held with lower numbers.
    Next,
    /// It waits for a predecessor, for room, or for what the disk knows.
    Early,
}

/// A write under way.
#[derive(Debug)]
struct Writing {
    len: usize,
    tag: u64,
}

/// One sender's messages.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Unknown until the disk was asked.
    position: Option<Position>,
    /// The oldest are forgotten first; whether the agent took each.
    taken: LinkedHashMap<MessageId, bool>,
    writing: HashMap<MessageId, Writing>,
    writing_bytes: usize,
    held: Held,
    /// Whether a write failed, and nobody was told yet that the disk is to be asked.
    failed: bool,
}

impl Incoming {
    /// One sender's messages, of which those that are held are in `room`.
    #[must_use]
    pub fn within(room: HeldRoom) -> Self {
        Self { held: Held::within(room), ..Self::default() }
    }

    /// What is on disk. What was held meanwhile is returned, to be judged now.
    pub fn resume(&mut self, resume: &Resume) -> Vec<Message> {
        self.position = Some(resume.position.clone());
        self.taken.clear();
        for (id, processed) in &resume.taken {
            self.remember(*id, *processed);
        }
        self.held.take_all()
    }

    /// Whether it is known what is on disk.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.position.is_some()
    }

    /// Whether nothing is being written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.writing.is_empty()
    }

    /// Messages and bytes that are held.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        self.held.len()
    }

    /// Judges a message by the table of §8.2. Changes nothing.
    #[must_use]
    pub fn judge(&self, id: MessageId, order: &Order) -> Verdict {
        if let Some(processed) = self.taken.get(&id) {
            return Verdict::Known(if *processed {
                ReceiptStatus::Processed
            } else {
                ReceiptStatus::Delivered
            });
        }
        if self.writing.contains_key(&id) {
            return Verdict::Writing;
        }
        let Some(position) = &self.position else { return Verdict::Early };
        let is_current = position.stream == Some(order.stream);
        if position.dead.contains(&order.stream)
            || (is_current && order.number < position.next)
            || order.number == u64::MAX
        {
            return Verdict::OutOfSequence;
        }
        // Numbers go on from stream to stream: what comes after one that was taken, and before none.
        let next = position.next;
        let follows = order.after.is_none_or(|after| after < next && order.number >= next);
        if follows && self.has_room() { Verdict::Next } else { Verdict::Early }
    }

    /// Takes out those held that go before a message that is [`Verdict::Next`], the lowest first: it
    /// does not come after them, so their sender is done with them.
    pub fn before(&mut self, order: &Order) -> Vec<Message> {
        if !self.held.is_of(order.stream) {
            return Vec::new();
        }
        let mut before = self.held.take_before(order.number);
        before.retain(|message| !self.has(message.id));
        before
    }

    /// Takes out the one held that is to be taken now, if there is one.
    pub fn next_held(&mut self) -> Option<Message> {
        loop {
            let (number, message) = self.held.first()?;
            let order = message.order?;
            let verdict = self.judge(message.id, &order);
            if verdict == Verdict::Early {
                return None;
            }
            let message = self.held.remove(number)?;
            if verdict == Verdict::Next {
                return Some(message);
            }
        }
    }

    /// Takes a message that is [`Verdict::Next`], or one that goes before it. `tag` comes back when it
    /// is written. `None` if it has no order, is known or being written, or comes too late.
    pub fn take(
        &mut self,
        peer: PublicKey,
        message: Message,
        tag: u64,
        at: Timestamp,
    ) -> Option<Arrival> {
        let order = message.order?;
        let before = self.position.clone()?;
        let is_current = before.stream == Some(order.stream);
        if self.has(message.id) || (is_current && order.number < before.next) {
            return None;
        }
        let mut after = before.clone();
        after.next = order.number.checked_add(1)?;
        if !is_current {
            // What is held of another stream was sent before this one began.
            if !self.held.is_of(order.stream) {
                self.held.clear();
            }
            after.dead.extend(after.stream.replace(order.stream));
            let surplus = after.dead.len().saturating_sub(MAX_DEAD_STREAMS);
            after.dead.drain(..surplus);
        }
        self.position = Some(after.clone());
        let len = message.body.len();
        self.writing_bytes += len;
        self.writing.insert(message.id, Writing { len, tag });
        Some(Arrival { peer, message, before, after, at })
    }

    /// Holds a message that is [`Verdict::Early`], with the newest word on what it comes after. Without
    /// room the highest numbers go; they come again.
    pub fn hold(&mut self, message: Message) {
        self.held.insert(message);
    }

    /// Whether this message is held.
    #[must_use]
    pub fn holds(&self, message: &Message) -> bool {
        message.order.is_some_and(|order| self.held.has(order.number, message.id))
    }

    /// Lets go of what is held: its sender is away, and sends it again when it is back.
    pub fn let_go(&mut self) {
        self.held.clear();
    }

    /// Lets go of what there is no room for any more beside what is held of other senders. It comes again.
    pub fn give_way(&mut self) {
        self.held.fit();
    }

    /// A message is on disk; returns its tag, if it was being written.
    pub fn stored(&mut self, id: MessageId) -> Option<u64> {
        let tag = self.written(id)?;
        self.remember(id, false);
        Some(tag)
    }

    /// A message is not on disk, nor is any after it. Nothing more is taken until the disk was asked
    /// how far it has come. Returns the message's tag, if it was being written.
    pub fn not_stored(&mut self, id: MessageId) -> Option<u64> {
        let tag = self.written(id)?;
        self.position = None;
        self.failed = true;
        Some(tag)
    }

    /// Whether the disk is to be asked now. True once after writes failed and all are reported.
    pub fn wants_resume(&mut self) -> bool {
        self.writing.is_empty() && std::mem::take(&mut self.failed)
    }

    /// The agent took a message.
    pub fn processed(&mut self, id: MessageId) {
        if let Some(processed) = self.taken.get_mut(&id) {
            *processed = true;
        }
    }

    /// Whether a message was taken before.
    fn has(&self, id: MessageId) -> bool {
        self.taken.contains_key(&id) || self.writing.contains_key(&id)
    }

    fn written(&mut self, id: MessageId) -> Option<u64> {
        let Writing { len, tag } = self.writing.remove(&id)?;
        self.writing_bytes -= len;
        Some(tag)
    }

    fn remember(&mut self, id: MessageId, processed: bool) {
        self.taken.insert(id, processed);
        if self.taken.len() > MAX_TAKEN_IDS {
            self.taken.pop_front();
        }
    }

    fn has_room(&self) -> bool {
        self.writing.len() < MAX_WRITING_MESSAGES && self.writing_bytes < MAX_WRITING_BYTES
    }
}

#[cfg(test)]
mod tests;
