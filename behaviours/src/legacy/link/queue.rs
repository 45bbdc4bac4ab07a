//! Messages that wait to be sent to one peer, bounded in number, bytes and time.

use std::collections::VecDeque;

use peer_protocol::legacy::{Value, canonical};
use peer_protocol::limits::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use peer_protocol::link::QueueFull;
use peer_protocol::time::Instant;

use crate::legacy::event::Outgoing;

/// One message.
pub(super) struct Entry {
    pub(super) message: Outgoing,
    pub(super) deadline: Instant,
    /// How often the peer's node refused it because of the session it came in.
    pub(super) refused: u32,
    bytes: usize,
}

/// First in, first out.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, message: Outgoing, deadline: Instant) -> Result<(), QueueFull> {
        let payload = Value::Object(message.payload);
        let bytes = canonical(&payload).len();
        if self.entries.len() >= MAX_QUEUED_MESSAGES {
            return Err(QueueFull::Messages);
        }
        if self.bytes + bytes > MAX_QUEUED_BYTES {
            return Err(QueueFull::Bytes);
        }
        let Value::Object(payload) = payload else { return Ok(()) };
        self.bytes += bytes;
        let message = Outgoing { payload, ..message };
        self.entries.push_back(Entry { message, deadline, refused: 0, bytes });
        Ok(())
    }

    /// Puts back what was taken, to be the next again.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.push_front(entry);
    }

    pub(super) fn take(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Takes out those whose time is over.
    pub(super) fn timed_out(&mut self, now: Instant) -> Vec<Entry> {
        let (over, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.entries).into_iter().partition(|entry| entry.deadline <= now);
        self.entries = waiting;
        self.bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        over.into()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.iter().map(|entry| entry.deadline).min()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_protocol::id::MessageId;
    use peer_protocol::legacy::Object;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn message(seed: u64, len: usize) -> Outgoing {
        let mut payload = Object::new();
        payload.insert("message".to_owned(), "x".repeat(len).into());
        let id = MessageId::random(&mut StdRng::seed_from_u64(seed));
        Outgoing { id, msg_type: "task_delegate".to_owned(), payload }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let mut queue = Queue::default();
        for seed in 0..MAX_QUEUED_MESSAGES as u64 {
            queue.push(message(seed, 1), at(9)).unwrap();
        }
        assert_eq!(queue.push(message(0, 1), at(9)), Err(QueueFull::Messages));
        let mut queue = Queue::default();
        let mut taken = 0;
        while queue.push(message(taken, 60_000), at(9)).is_ok() {
            taken += 1;
        }
        assert_eq!(queue.push(message(0, 60_000), at(9)), Err(QueueFull::Bytes));
        assert!(queue.bytes <= MAX_QUEUED_BYTES && taken > 250);
        while queue.take().is_some() {}
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn what_is_put_back_comes_first_and_what_is_late_goes() {
        let mut queue = Queue::default();
        for seed in 0..3 {
            queue.push(message(seed, 1), at(10 + seed)).unwrap();
        }
        let first = queue.take().unwrap();
        let id = first.message.id;
        queue.put_back(first);
        assert_eq!(queue.next_deadline(), Some(at(10)));
        let over = queue.timed_out(at(10));
        assert_eq!(over.iter().map(|entry| entry.message.id).collect::<Vec<_>>(), [id]);
        assert_eq!(queue.next_deadline(), Some(at(11)));
    }
}
