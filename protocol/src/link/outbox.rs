//! Volatile messages on their way out, until they are acknowledged, refused or out of time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::batch::Batch;
use super::event::QueueFull;
use super::pace::Pacer;
use crate::id::MessageId;
use crate::limits::{MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES};
use crate::message::{Message, MessageKind};
use crate::time::Instant;

/// Longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Pause after the second failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In `waiting` or in `bulk`, under its number.
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

/// What goes first, and what goes after everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Prompt,
    Bulk,
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
    /// Chunks, which go after everything else.
    bulk: BTreeMap<u64, MessageId>,
    delayed: BTreeMap<(Instant, u64), MessageId>,
    deadlines: BTreeSet<(Instant, MessageId)>,
    bytes: usize,
    /// Those of them that are of pieces of transfers.
    pieces: usize,
    next_number: u64,
    pub(super) pacer: Pacer,
}

fn piece_len(message: &Message) -> usize {
    if message.kind == MessageKind::Chunk { message.body.len() } else { 0 }
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
        self.pieces += piece_len(&message);
        self.deadlines.insert((deadline, id));
        let (number, place) = (self.next_number(), Place::Waiting);
        self.line(message.kind).insert(number, id);
        let entry = Entry { message, deadline, failures: 0, sent: false, place, number };
        self.entries.insert(id, entry);
        Ok(())
    }

    /// Bytes of bodies, without those of pieces.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes - self.pieces
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether anything but chunks could be sent right now.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether chunks could be sent right now.
    pub(super) fn has_bulk(&self) -> bool {
        !self.bulk.is_empty()
    }

    /// How many could be sent right now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.bulk.len()
    }

    /// The lengths of the bodies that could be sent right now.
    pub(super) fn waiting_lens(&self) -> impl Iterator<Item = usize> {
        let ids = self.waiting.values().chain(self.bulk.values());
        ids.filter_map(|id| Some(self.entries.get(id)?.message.body.len()))
    }

    /// Puts the next messages to send into `batch`; they are then neither waiting nor delayed.
    pub(super) fn fill(&mut self, batch: &mut Batch, line: Line, now: Instant) {
        // Those whose pause is over come before what was queued after them.
        self.wake(now);
        while let Some((number, id)) = self.of(line).pop_first() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if !batch.fits(&entry.message) {
                self.of(line).insert(number, id);
                break;
            }
            entry.place = Place::UnderWay;
            if let Err(until) = self.pacer.admit(entry.message.kind, now) {
                self.delay(id, until);
                continue;
            }
            entry.sent = true;
            batch.push(entry.message.clone());
        }
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
                self.line(entry.message.kind).remove(&entry.number);
            }
            Place::Delayed(until) => {
                self.delayed.remove(&(until, entry.number));
            }
            Place::UnderWay => {}
        }
        self.bytes -= entry.message.body.len();
        self.pieces -= piece_len(&entry.message);
        Some(entry.message)
    }

    /// Everything, taken out, in the order in which it would have gone.
    pub(super) fn drain(&mut self) -> Vec<MessageId> {
        let mut entries: Vec<_> = self.entries.drain().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.number);
        let ids = entries.into_iter().map(|(id, _)| id).collect();
        self.waiting.clear();
        self.bulk.clear();
        self.delayed.clear();
        self.deadlines.clear();
        (self.bytes, self.pieces) = (0, 0);
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
            let (kind, number) = (entry.message.kind, entry.number);
            self.line(kind).insert(number, id);
        }
    }

    const fn line(&mut self, kind: MessageKind) -> &mut BTreeMap<u64, MessageId> {
        self.of(if matches!(kind, MessageKind::Chunk) { Line::Bulk } else { Line::Prompt })
    }

    const fn of(&mut self, line: Line) -> &mut BTreeMap<u64, MessageId> {
        match line {
            Line::Prompt => &mut self.waiting,
            Line::Bulk => &mut self.bulk,
        }
    }

    const fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
