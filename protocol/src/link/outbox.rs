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

/// So many messages are worth an envelope of their own.
const FULL_BATCH: usize = MAX_BATCH / 4;

/// Fewer messages than twice that are not worth two signatures.
const SMALLEST_HALF: usize = 16;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In `waiting`, under its number.
    Waiting,
    /// In `delayed`, until then, under its number.
    Delayed(Instant),
    UnderWay,
}

struct Entry {
    message: Message,
    deadline: Instant,
    failures: u32,
    sent: bool,
    place: Place,
    /// Its turn among all messages; changes only while it is under way.
    number: u64,
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
    waiting: BTreeMap<u64, MessageId>,
    delayed: BTreeMap<(Instant, u64), MessageId>,
    deadlines: BTreeSet<(Instant, MessageId)>,
    bytes: usize,
    next_number: u64,
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
        let (number, place) = (self.next_number(), Place::Waiting);
        let entry = Entry { message, deadline, failures: 0, sent: false, place, number };
        self.entries.insert(id, entry);
        self.waiting.insert(number, id);
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

    /// Whether there is as much waiting as is worth an envelope of its own at once.
    pub(super) fn fills_a_batch(&self) -> bool {
        let enough = |len: usize| len >= BATCH_TARGET_LEN;
        let waiting = self.waiting.values().take(FULL_BATCH).filter_map(|id| self.entries.get(id));
        self.waiting.len() >= FULL_BATCH || enough(waiting.map(|it| it.message.body.len()).sum())
    }

    /// The next batch to send; its messages are then neither waiting nor delayed.
    pub(super) fn take_batch(&mut self, now: Instant) -> Vec<Message> {
        self.take_at_most(MAX_BATCH - 1, now)
    }

    /// The first of two batches of equal size, so that the peer opens one while the other is sealed; all
    /// there is, if it is little.
    pub(super) fn take_half(&mut self, now: Instant) -> Vec<Message> {
        let half = self.waiting.len().div_ceil(2).max(SMALLEST_HALF);
        self.take_at_most(half.min(MAX_BATCH - 1), now)
    }

    fn take_at_most(&mut self, most: usize, now: Instant) -> Vec<Message> {
        // Those whose pause is over come before what was queued after them.
        self.wake(now);
        let mut batch = Vec::new();
        let mut len = 0;
        while batch.len() < most
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

    /// A message that is under way did not arrive: it is sent again, at once and in its turn the
    /// first time, later and behind all others after more failures.
    pub(super) fn retry(&mut self, id: MessageId, now: Instant) {
        let under_way = |entry: &&mut Entry| entry.place == Place::UnderWay;
        let last = self.next_number();
        let Some(entry) = self.entries.get_mut(&id).filter(under_way) else { return };
        entry.failures += 1;
        match entry.failures.checked_sub(2) {
            None => self.wait(id),
            Some(doublings) => {
                entry.number = last;
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
            Place::Waiting => return,
            Place::Delayed(until) => {
                self.delayed.remove(&(until, entry.number));
            }
            Place::UnderWay => {}
        }
        entry.place = Place::Delayed(at);
        self.delayed.insert((at, entry.number), id);
    }

    /// The message is done with; returns it if it was here.
    pub(super) fn remove(&mut self, id: MessageId) -> Option<Message> {
        let entry = self.entries.remove(&id)?;
        self.deadlines.remove(&(entry.deadline, id));
        match entry.place {
            Place::Waiting => {
                self.waiting.remove(&entry.number);
            }
            Place::Delayed(until) => {
                self.delayed.remove(&(until, entry.number));
            }
            Place::UnderWay => {}
        }
        self.bytes -= entry.message.body.len();
        Some(entry.message)
    }

    /// Everything, taken out, in the order in which it would have gone.
    pub(super) fn drain(&mut self) -> Vec<MessageId> {
        let mut entries: Vec<_> = self.entries.drain().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.number);
        let ids = entries.into_iter().map(|(id, _)| id).collect();
        self.waiting.clear();
        self.delayed.clear();
        self.deadlines.clear();
        self.bytes = 0;
        ids
    }

    /// Wakes delayed messages whose time has come; takes out those whose time is over.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<TimedOut> {
        self.wake(now);
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
        let delayed = self.delayed.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        [delayed, deadline].into_iter().flatten().min()
    }

    /// Lets delayed messages wait again whose time has come.
    fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            let id = entry.remove();
            self.wait(id);
        }
    }

    fn wait(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.place = Place::Waiting;
            self.waiting.insert(entry.number, id);
        }
    }

    const fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
