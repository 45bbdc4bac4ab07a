//! Another stream, where the receiver has seen the numbers of this one already (§8.2).

use super::queue::StreamState;
use super::writing::Change;
use super::{Outbox, Slot};
use crate::crypto::PublicKey;
use crate::delivery::write::Write;
use crate::id::{MessageId, StreamId};

impl Outbox {
    /// `peer` answered a message that was sent in `stream` with `SEQUENCE_ERROR`. If it is still kept,
    /// everything goes on in a new stream.
    pub fn out_of_sequence(&mut self, peer: &PublicKey, id: MessageId, stream: StreamId) {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return };
        let is_of_peer = self.slots.get(peer) == Some(&slot);
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let is_kept = queue.entries.get(&number).is_some_and(|entry| entry.settled.is_none());
        let is_current = queue.stream == stream && queue.stream_state == StreamState::Saved;
        if is_of_peer && is_kept && is_current {
            queue.stream = StreamId::random(self.rng.as_mut());
            queue.stream_state = StreamState::Changing;
            self.write_stream(slot);
            self.take_back(slot);
        }
    }

    pub(super) fn write_stream(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.get(&slot) {
            let stream = queue.stream;
            self.writes.push(Write::Stream { peer: queue.peer, stream });
            self.changes.push(Change::Stream { slot, stream });
        }
    }

    pub(super) fn stream_saved(&mut self, slot: Slot, stream: StreamId) {
        if let Some(queue) = self.queues.get_mut(&slot)
            && queue.stream == stream
        {
            queue.stream_state = StreamState::Saved;
        }
    }
}
