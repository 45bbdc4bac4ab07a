//! A batch while it is put together.

use crate::limits::{BATCH_TARGET_LEN, MAX_BATCH};
use crate::message::Message;

/// Most receipts in one envelope: one of status `received`, and more of the others.
pub(super) const MAX_RECEIPTS: usize = 6;

/// Messages for one envelope; there is always room for the receipts that go with them.
#[derive(Debug)]
pub(super) struct Batch {
    messages: Vec<Message>,
    len: usize,
    most: usize,
    /// A longer message does not go in it, not even alone.
    longest: usize,
}

impl Batch {
    /// A batch of at most `most` messages.
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(MAX_BATCH - MAX_RECEIPTS);
        Self { messages: Vec::new(), len: 0, most, longest: usize::MAX }
    }

    /// One of at most `len` bytes.
    pub(super) fn within(self, len: usize) -> Self {
        Self { longest: len, ..self }
    }

    /// Whether `message` has a place in it. One that is larger than batches should be goes alone.
    pub(super) fn fits(&self, message: &Message) -> bool {
        let len = self.len.saturating_add(message.body.len());
        len <= self.longest
            && (self.messages.is_empty()
                || (self.messages.len() < self.most && len <= BATCH_TARGET_LEN))
    }

    pub(super) fn push(&mut self, message: Message) {
        self.len = self.len.saturating_add(message.body.len());
        self.messages.push(message);
    }

    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }
}
