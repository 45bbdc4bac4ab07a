//! Messages that wait for their contents, which go ahead of them as transfers (§9.4).

use std::time::Duration;

use super::{NotAccepted, Outbox};
use crate::crypto::PublicKey;
use crate::id::MessageId;
use crate::message::Message;
use crate::time::Now;

impl Outbox {
    /// As [`Outbox::accept`], but the message and all that follow to that peer wait until it is
    /// [released](Outbox::release). [`Effect::Ahead`](super::Effect::Ahead) says when its content is to go.
    ///
    /// # Errors
    /// [`NotAccepted`] if it cannot be accepted; then nothing has happened.
    pub fn accept_held(
        &mut self,
        peer: PublicKey,
        message: Message,
        ttl: Duration,
        now: Now,
    ) -> Result<(), NotAccepted> {
        self.take_in(peer, message, ttl, true, now)
    }

    /// Holds an unsettled message back from now on: its receiver does not have its content. What was handed
    /// over of this peer's messages is taken back, so that they stay in order. Returns whether it is held.
    pub fn hold(&mut self, peer: &PublicKey, id: MessageId) -> bool {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return false };
        if self.slots.get(peer) != Some(&slot) {
            return false;
        }
        let queue = self.queues.get_mut(&slot);
        let Some(entry) = queue.and_then(|queue| queue.entries.get_mut(&number)) else {
            return false;
        };
        if entry.settled.is_some() {
            return false;
        }
        entry.held = true;
        self.take_back(slot);
        self.fill(slot);
        self.feed_starved();
        true
    }

    /// The receiver has the content of a held message: it goes now, and what waits behind it.
    pub fn release(&mut self, peer: &PublicKey, id: MessageId) {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return };
        if self.slots.get(peer) != Some(&slot) {
            return;
        }
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        if let Some(entry) = queue.entries.get_mut(&number) {
            entry.held = false;
        }
        if queue.ahead == Some(number) {
            queue.ahead = None;
        }
        self.fill(slot);
    }

    /// Whether an unsettled message waits for its content.
    #[must_use]
    pub fn is_held(&self, id: MessageId) -> bool {
        self.entry(id).is_some_and(|entry| entry.held)
    }
}
