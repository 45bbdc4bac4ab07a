//! Another stream, where the receiver has seen the numbers of this one already (§8.2).

use std::time::Duration;

use super::queue::{Queue, StreamState};
use super::writing::Change;
use super::{Outbox, Slot};
use crate::crypto::PublicKey;
use crate::delivery::write::Write;
use crate::id::{MessageId, StreamId};
use crate::time::Instant;

/// Pause before another stream if nothing was taken in the last one; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Outbox {
    /// `peer` answered a message that was sent in `stream` with `SEQUENCE_ERROR`. If it is still kept,
    /// everything goes on in a new stream: at once if the peer took something in this one or in the one before,
    /// else after a pause, so that a peer that refuses whatever comes costs little.
    pub fn out_of_sequence(
        &mut self,
        peer: &PublicKey,
        id: MessageId,
        stream: StreamId,
        now: Instant,
    ) {
        let Some((slot, number)) = self.ids.get(&id).copied() else { return };
        let is_of_peer = self.slots.get(peer) == Some(&slot);
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let is_kept = queue.entries.get(&number).is_some_and(|entry| entry.settled.is_none());
        let is_current = queue.stream == stream && queue.stream_state == StreamState::Saved;
        if !is_of_peer || !is_kept || !is_current {
            return;
        }
        let refused = queue.refused_streams;
        queue.refused_streams = refused.saturating_add(1);
        match refused.checked_sub(1) {
            None => self.begin_stream(slot),
            Some(doublings) => {
                queue.stream_state = StreamState::Over;
                let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE);
                self.restarts.insert((now + pause, slot));
            }
        }
        self.take_back(slot);
    }

    /// Begins new streams whose pause is over.
    pub(super) fn restart(&mut self, now: Instant) {
        while let Some((at, slot)) = self.restarts.first().copied()
            && at <= now
        {
            self.hurry_stream(slot);
        }
    }

    /// Begins a new stream now, if a pause is all that it waits for.
    pub(super) fn hurry_stream(&mut self, slot: Slot) {
        let is_over = |queue: &Queue| queue.stream_state == StreamState::Over;
        if self.queues.get(&slot).is_some_and(is_over) {
            self.begin_stream(slot);
        }
        self.restarts.retain(|(_, of)| *of != slot);
    }

    fn begin_stream(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.get_mut(&slot) {
            queue.stream = StreamId::random(self.rng.as_mut());
            queue.stream_state = StreamState::Changing;
            self.write_stream(slot);
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
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        queue.stream_known = true;
        if queue.stream == stream {
            queue.stream_state = StreamState::Saved;
        }
    }
}
