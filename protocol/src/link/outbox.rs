//! Messages on their way out, until they are acknowledged, refused or out of time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::event::QueueFull;
use super::pace::Pacer;
use crate::id::MessageId;
use crate::limits::{BATCH_TARGET_LEN, MAX_BATCH, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use crate::message::{Message, MessageKind};
use crate::time::Instant;

/// Longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Pause after the second failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In `waiting`, under this number.
    Waiting(i64),
    /// In `delayed`, until then.
    Delayed(Instant),
    UnderWay,
}

struct Entry {
    message: Message,
    deadline: Instant,
    failures: u32,
    sent: bool,
    place: Place,
}

/// A message that ran out of time.
pub(super) struct TimedOut {
    pub(super) id: MessageId,
    pub(super) sent: bool,
}

/// Every message is in `entries`, which say where else it is; nothing else is anywhere.
#[derive(Default)]
pub(super) struct Outbox {
    entries: HashMap<MessageId, Entry>,
    /// The lowest number goes first.
    waiting: BTreeMap<i64, MessageId>,
    delayed: BTreeSet<(Instant, MessageId)>,
    deadlines: BTreeSet<(Instant, MessageId)>,
    bytes: usize,
    pub(super) pacer: Pacer,
}

impl Outbox {
    /// Queues a message. One that is here already stays as it is.
    pub(super) fn push(&mut self, message: Message, deadline: Instant) -> Result<(), QueueFull> {
        let id = message.id;
        if self.entries.contains_key(&id) {
            return Ok(());
        }
        if self.entries.len() >= MAX_QUEUED_MESSAGES {
            return Err(QueueFull::Messages);
        }
        if self.bytes + message.body.len() > MAX_QUEUED_BYTES {
            return Err(QueueFull::Bytes);
        }
        self.bytes += message.body.len();
        self.deadlines.insert((deadline, id));
        let place = Place::UnderWay;
        self.entries.insert(id, Entry { message, deadline, failures: 0, sent: false, place });
        self.wait_last(id);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether anything could be sent right now.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next batch to send; its messages are then neither waiting nor delayed.
    pub(super) fn take_batch(&mut self, now: Instant) -> Vec<Message> {
        let mut batch = Vec::new();
        let mut len = 0;
        while batch.len() < MAX_BATCH - 1
            && let Some((number, id)) = self.waiting.pop_first()
        {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let size = entry.message.body.len();
            if !batch.is_empty() && len + size > BATCH_TARGET_LEN {
                self.waiting.insert(number, id);
                break;
            }
            entry.place = Place::UnderWay;
            if let Err(until) = self.pacer.admit(entry.message.kind, now) {
                self.delay(id, until);
                continue;
            }
            entry.sent = true;
            len += size;
            batch.push(entry.message.clone());
        }
        batch
    }

    /// The kind of a message that is here.
    pub(super) fn kind(&self, id: MessageId) -> Option<MessageKind> {
        self.entries.get(&id).map(|entry| entry.message.kind)
    }

    /// A message that is under way did not arrive: it is sent again, at once the first time, later
    /// after more failures.
    pub(super) fn retry(&mut self, id: MessageId, now: Instant) {
        let under_way = |entry: &&mut Entry| entry.place == Place::UnderWay;
        let Some(entry) = self.entries.get_mut(&id).filter(under_way) else { return };
        entry.failures += 1;
        match entry.failures.checked_sub(2) {
            None => self.wait_first(id),
            Some(doublings) => {
                let pause = FIRST_BACKOFF.saturating_mul(1 << doublings.min(10)).min(MAX_BACKOFF);
                self.delay(id, now + pause);
            }
        }
    }

    /// A message waits until `at`; unless it is gone by then, it is sent again. One that is yet to be
    /// sent stays where it is.
    pub(super) fn delay(&mut self, id: MessageId, at: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match entry.place {
            Place::Waiting(_) => return,
            Place::Delayed(until) => {
                self.delayed.remove(&(until, id));
            }
            Place::UnderWay => {}
        }
        entry.place = Place::Delayed(at);
        self.delayed.insert((at, id));
    }

    /// The message is done with; returns it if it was here.
    pub(super) fn remove(&mut self, id: MessageId) -> Option<Message> {
        let entry = self.entries.remove(&id)?;
        self.deadlines.remove(&(entry.deadline, id));
        match entry.place {
            Place::Waiting(number) => {
                self.waiting.remove(&number);
            }
            Place::Delayed(until) => {
                self.delayed.remove(&(until, id));
            }
            Place::UnderWay => {}
        }
        self.bytes -= entry.message.body.len();
        Some(entry.message)
    }

    /// Everything, taken out.
    pub(super) fn drain(&mut self) -> Vec<MessageId> {
        let ids = self.entries.keys().copied().collect();
        self.entries.clear();
        self.waiting.clear();
        self.delayed.clear();
        self.deadlines.clear();
        self.bytes = 0;
        ids
    }

    /// Wakes delayed messages whose time has come; takes out those whose time is over.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<TimedOut> {
        while let Some(&(at, id)) = self.delayed.first()
            && at <= now
        {
            self.delayed.pop_first();
            self.wait_last(id);
        }
        let mut over = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            let sent = self.entries.get(&id).is_some_and(|entry| entry.sent);
            self.remove(id);
            over.push(TimedOut { id, sent });
        }
        over
    }

    /// When [`Outbox::tick`] has something to do.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let delayed = self.delayed.first().map(|(at, _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        [delayed, deadline].into_iter().flatten().min()
    }

    fn wait_first(&mut self, id: MessageId) {
        let number = self.waiting.first_key_value().map_or(0, |(number, _)| number - 1);
        self.wait(id, number);
    }

    fn wait_last(&mut self, id: MessageId) {
        let number = self.waiting.last_key_value().map_or(0, |(number, _)| number + 1);
        self.wait(id, number);
    }

    fn wait(&mut self, id: MessageId, number: i64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.place = Place::Waiting(number);
            self.waiting.insert(number, id);
        }
    }
}
