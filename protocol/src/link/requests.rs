//! Requests this link sends: what is in flight, and putting messages into it.

use std::time::Duration;

use super::batch::Batch;
use super::owed::Receipts;
use super::{Event, Link, RequestId, Transmit};
use crate::id::{MessageId, Nonce, SessionId, StreamId};
use crate::limits::{
    BATCH_TARGET_LEN, MAX_BATCH, MAX_BYTES_IN_FLIGHT_UNPINNED, MAX_REQUESTS_IN_FLIGHT,
};
use crate::message::Message;
use crate::time::{Instant, Now};

/// With so many requests in flight, messages gather for the next one: under load a few large ones cost
/// less than many small ones, and two that overlap leave no gap.
const OVERLAPPING: usize = 2;
/// Longest time for which messages gather.
const GATHER: Duration = Duration::from_millis(2);
/// So many messages are worth an envelope of their own.
const FULL_BATCH: usize = MAX_BATCH / 4;
/// Fewer messages than twice that are not worth two signatures.
const SMALLEST_HALF: usize = 16;
/// How often an owner without a connection is reminded that there is something to send.
const REMIND: Duration = Duration::from_secs(2);
/// For how long the owner is asked for a connection if there is nothing to send.
const WISHED: Duration = Duration::from_secs(60);

/// Longest pause between two reminders that requests go unanswered.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// How long receipts are kept without a session or a connection for them.
const KEEP_RECEIPTS: Duration = Duration::from_secs(60);

/// Requests go unanswered, and the owner knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    /// When the owner is told again.
    again: Instant,
    /// The pause before that; it doubles with each time.
    pause: Duration,
}

/// What a request carries, remembered until its carrier reports back.
pub(super) enum Content {
    /// A step of the handshake attempt with this number.
    Step { attempt: u64, nonce: Option<Nonce> },
    /// A sealed envelope.
    Sealed {
        session: SessionId,
        nonce: Nonce,
        /// Bytes of the envelope.
        len: usize,
        /// Volatile ones.
        messages: Vec<MessageId>,
        ordered: Vec<MessageId>,
        /// The stream of the ordered ones.
        stream: Option<StreamId>,
        receipts: Receipts,
        /// News that the agent took messages.
        taken: Vec<MessageId>,
    },
}

impl Link {
    /// Sends whatever can be sent, and opens a session if that is what it takes.
    pub fn flush(&mut self, now: Now) {
        self.flushed = now.instant;
        self.answer_with_waiting(now);
        loop {
            // The last place is for what is volatile, which waits for nothing else.
            let in_flight = self.sealed_in_flight();
            let all = in_flight + 1 < MAX_REQUESTS_IN_FLIGHT;
            if !self.has_place(in_flight)
                || !self.has_something_due(all, now.instant)
                || self.is_gathering(now.instant)
                || !self.connected
                || self.sessions.sendable(now.instant).is_none()
            {
                break;
            }
            // Of two batches of equal size the peer opens one while the other is sealed.
            let waiting = self.outbox.waiting() + self.lane.due();
            let half =
                if in_flight == 0 { waiting.div_ceil(2).max(SMALLEST_HALF) } else { waiting };
            let batch = self.next_batch(Batch::new(half), all, now);
            if batch.is_empty() && !self.owed.is_due(now.instant) {
                break;
            }
            self.send_now(batch, now);
        }
        self.seek_session(now);
    }

    /// Seals `messages`, with the receipts that are owed, into a request.
    pub(super) fn send_now(&mut self, messages: Vec<Message>, now: Now) {
        let len = messages.iter().map(|message| message.body.len()).sum();
        let (receipts, taken) = self.owed.for_request(len);
        let stream = messages.iter().find_map(|message| Some(message.order?.stream));
        let acknowledged = messages.iter().filter(|message| message.kind.is_acknowledged());
        let (ordered, volatile): (Vec<_>, Vec<_>) =
            acknowledged.partition(|message| message.order.is_some());
        let [ordered, ids] = [ordered, volatile]
            .map(|messages| messages.into_iter().map(|message| message.id).collect::<Vec<_>>());
        let mut batch = receipts.messages(self.rng.as_mut());
        let news = Receipts { processed: taken.clone(), ..Receipts::default() };
        batch.extend(news.messages(self.rng.as_mut()));
        batch.extend(messages);
        let sealed = self.sessions.sendable(now.instant).map(|session| {
            let sealed =
                session.seal(&batch, &self.config.handshake.identity, self.rng.as_mut(), now);
            (session.id(), sealed)
        });
        let Some((session, Ok(sealed))) = sealed else {
            for id in ids {
                self.outbox.retry(id, now.instant);
            }
            self.lane.lost(&ordered, now.instant);
            self.owe(&receipts, now.instant);
            self.owed.add_taken(&taken, now.instant);
            return;
        };
        self.last_sealed = now.instant;
        self.left(&ordered, session);
        let (nonce, len, messages) = (sealed.nonce, sealed.bytes.len(), ids);
        let content =
            Content::Sealed { session, nonce, len, messages, ordered, stream, receipts, taken };
        self.request(sealed.bytes, content, now.instant);
    }

    pub(super) fn request(&mut self, envelope: Vec<u8>, content: Content, now: Instant) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        if self.in_flight.is_empty() {
            self.last_heard = now;
        }
        self.in_flight.insert(id, content);
        self.transmits.push_back(Transmit::Request { id, envelope });
    }

    /// Receipts to be sent with the next envelope.
    pub(super) fn owe(&mut self, receipts: &Receipts, now: Instant) {
        self.owed.add(receipts, now + self.config.receipt_delay);
    }

    /// When receipts that are owed go out on their own. While there is nothing to send them with, the
    /// clock makes no difference: whatever ends that flushes them.
    pub(super) fn next_receipt_tick(&self, now: Instant) -> Option<Instant> {
        let can_send = self.connected
            && self.sessions.has_sendable(now)
            && self.has_place(self.sealed_in_flight());
        self.owed.at().filter(|_| can_send).or_else(|| self.receipts_kept_until())
    }

    /// Forgets receipts for a peer that has been away for long: what it sends again, it is told then.
    pub(super) fn tick_receipts(&mut self, now: Instant) {
        if self.receipts_kept_until().is_some_and(|until| until <= now) {
            self.owed.forget();
        }
    }

    fn receipts_kept_until(&self) -> Option<Instant> {
        let away = !self.connected && self.sessions.is_empty();
        self.owed.at().filter(|_| away).map(|at| at + KEEP_RECEIPTS)
    }

    /// Tells the owner that requests go unanswered on a connection that looks alive: again and again,
    /// with growing pauses, since what the owner does about it may come to nothing.
    pub(super) fn tick_unresponsive(&mut self, now: Now) {
        if self.next_unresponsive_tick().is_some_and(|at| at <= now.instant) {
            let first = self.config.unresponsive_after.min(MAX_SILENCE);
            let pause = self.silence.map_or(first, |told| (told.pause * 2).min(MAX_SILENCE));
            self.silence = Some(Silence { again: now.instant + pause, pause });
            self.events.push_back(Event::Unresponsive);
        }
    }

    pub(super) fn next_unresponsive_tick(&self) -> Option<Instant> {
        let waiting = self.connected && !self.in_flight.is_empty();
        let due = self.last_heard + self.config.unresponsive_after;
        waiting.then(|| self.silence.map_or(due, |told| told.again.max(due)))
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.silence = None;
    }

    /// Asks for what is missing: a connection, or a session.
    fn seek_session(&mut self, now: Now) {
        if self.connected {
            self.seek_handshake(now);
        } else if self.needs_connection(now.instant) {
            let due = self.asked_for_connection.is_none_or(|at| at + REMIND <= now.instant);
            if due {
                self.asked_for_connection = Some(now.instant);
                self.events.push_back(Event::NeedConnection);
            }
        }
    }

    /// Whether to ask for a connection: for what is to be sent, and for a while for somebody who only wants
    /// a session. If there is a connection later, that is opened nevertheless.
    fn needs_connection(&self, now: Instant) -> bool {
        let wished = || self.opening.wanted && now.since(self.opening.wished) < WISHED;
        !self.connected && (self.has_something_to_send() || wished())
    }

    /// When the owner is to be reminded that a connection is needed.
    pub(super) fn next_reminder(&self, now: Instant) -> Option<Instant> {
        self.asked_for_connection.filter(|_| self.needs_connection(now)).map(|at| at + REMIND)
    }

    /// Whether a session is needed for what waits.
    pub(super) fn has_something_to_send(&self) -> bool {
        !self.outbox.is_empty() || self.lane.wants_to_send()
    }

    /// Whether what waits should wait for more: requests are in flight, the last one has only just gone,
    /// and what there is does not fill another.
    fn is_gathering(&self, now: Instant) -> bool {
        now < self.last_sealed + GATHER
            && self.sealed_in_flight() >= OVERLAPPING
            && !self.owed.is_due(now)
            && !self.fills_a_batch(now)
    }

    /// Whether there is as much waiting as is worth an envelope of its own at once.
    fn fills_a_batch(&self, now: Instant) -> bool {
        let ordered = if self.lane.has_due(now) { self.lane.due() } else { 0 };
        if self.outbox.waiting() + ordered >= FULL_BATCH {
            return true;
        }
        let ordered = self.lane.due_lens().take(ordered);
        self.outbox.waiting_lens().chain(ordered).sum::<usize>() >= BATCH_TARGET_LEN
    }

    /// When what gathers goes out. While there is nothing to send it with, the clock makes no
    /// difference: whatever ends that flushes it.
    pub(super) fn next_gathered(&self, now: Instant) -> Option<Instant> {
        let in_flight = self.sealed_in_flight();
        let waits = if in_flight + 1 < MAX_REQUESTS_IN_FLIGHT {
            self.outbox.has_waiting() || self.outbox.has_bulk() || self.lane.has_due(now)
        } else {
            self.outbox.has_waiting()
        };
        let gathers = self.connected
            && waits
            && self.has_place(in_flight)
            && self.is_gathering(self.flushed)
            && self.sessions.has_sendable(now);
        gathers.then_some(self.last_sealed + GATHER)
    }

    /// Whether a request carries a sealed envelope. One that does not is a step of a handshake.
    #[must_use]
    pub fn is_sealed(&self, id: RequestId) -> bool {
        matches!(self.in_flight.get(&id), Some(Content::Sealed { .. }))
    }

    fn has_something_due(&self, all: bool, now: Instant) -> bool {
        let ordered_or_bulk = || self.lane.has_due(now) || self.outbox.has_bulk();
        self.outbox.has_waiting() || self.owed.is_due(now) || (all && ordered_or_bulk())
    }

    /// Whether one more sealed request may go beside those in flight.
    fn has_place(&self, in_flight: usize) -> bool {
        in_flight < MAX_REQUESTS_IN_FLIGHT
            && (self.bytes_in_flight() < MAX_BYTES_IN_FLIGHT_UNPINNED || self.is_pinned())
    }

    fn bytes_in_flight(&self) -> usize {
        let len = |content: &Content| match content {
            Content::Sealed { len, .. } => *len,
            Content::Step { .. } => 0,
        };
        self.in_flight.values().map(len).sum()
    }

    fn sealed_in_flight(&self) -> usize {
        let sealed = |content: &&Content| matches!(content, Content::Sealed { .. });
        self.in_flight.values().filter(sealed).count()
    }
}
