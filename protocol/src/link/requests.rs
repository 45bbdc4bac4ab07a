//! Requests this link sends: what is in flight, and putting messages into it.

use std::time::Duration;

use super::{Event, Link, RequestId, Transmit};
use crate::id::{MessageId, Nonce, SessionId};
use crate::limits::MAX_REQUESTS_IN_FLIGHT;
use crate::message::{Body, Message, Receipt, ReceiptStatus};
use crate::time::{Instant, Now};

/// With so many requests in flight, messages gather for the next one: under load a few large ones cost
/// less than many small ones, and two that overlap leave no gap.
const OVERLAPPING: usize = 2;
/// Longest time for which messages gather.
const GATHER: Duration = Duration::from_millis(2);
/// How often an owner without a connection is reminded that there is something to send.
const REMIND: Duration = Duration::from_secs(2);

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
    Sealed { session: SessionId, nonce: Nonce, messages: Vec<MessageId>, receipts: Vec<MessageId> },
}

impl Link {
    /// Sends whatever can be sent, and opens a session if that is what it takes.
    pub fn flush(&mut self, now: Now) {
        self.answer_with_waiting(now);
        while self.has_something_due(now.instant)
            && self.sealed_in_flight() < MAX_REQUESTS_IN_FLIGHT
            && !self.is_gathering(now.instant)
        {
            if !self.connected || self.sessions.sendable(now.instant).is_none() {
                break;
            }
            let batch = match self.sealed_in_flight() {
                0 => self.outbox.take_half(now.instant),
                _ => self.outbox.take_batch(now.instant),
            };
            if batch.is_empty() && self.owed.is_empty() {
                break;
            }
            self.send_now(batch, now);
        }
        self.seek_session(now);
    }

    /// Seals `messages`, with the receipts that are owed, into a request.
    pub(super) fn send_now(&mut self, messages: Vec<Message>, now: Now) {
        let receipts = std::mem::take(&mut self.owed);
        self.owed_at = None;
        let ids: Vec<_> = messages
            .iter()
            .filter(|message| message.kind.is_acknowledged())
            .map(|message| message.id)
            .collect();
        let mut batch = self.receipt(&receipts);
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
            self.owe(&receipts, now.instant);
            return;
        };
        self.last_sealed = now.instant;
        let content = Content::Sealed { session, nonce: sealed.nonce, messages: ids, receipts };
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

    /// A receipt for `ids` as a batch; nothing for no ids.
    pub(super) fn receipt(&mut self, ids: &[MessageId]) -> Vec<Message> {
        if ids.is_empty() {
            return Vec::new();
        }
        let receipt = Receipt { status: ReceiptStatus::Received, message_ids: ids.to_vec() };
        Message::new(self.rng.as_mut(), &Body::from(receipt), None).into_iter().collect()
    }

    /// Receipts to be sent with the next envelope.
    pub(super) fn owe(&mut self, ids: &[MessageId], now: Instant) {
        const MOST: usize = crate::limits::MAX_BATCH;
        self.owed.extend_from_slice(ids);
        if self.owed.len() > MOST {
            // The sender of what is dropped here sends it again, and is then acknowledged.
            self.owed.drain(..self.owed.len() - MOST);
        }
        if !self.owed.is_empty() && self.owed_at.is_none() {
            self.owed_at = Some(now + self.config.receipt_delay);
        }
    }

    /// When receipts that are owed go out on their own. While there is nothing to send them with, the
    /// clock makes no difference: whatever ends that flushes them.
    pub(super) fn next_receipt_tick(&self, now: Instant) -> Option<Instant> {
        let can_send = self.connected
            && self.sessions.has_sendable(now)
            && self.sealed_in_flight() < MAX_REQUESTS_IN_FLIGHT;
        self.owed_at.filter(|_| can_send).or_else(|| self.receipts_kept_until())
    }

    /// Forgets receipts for a peer that has been away for long: what it sends again, it is told then.
    pub(super) fn tick_receipts(&mut self, now: Instant) {
        if self.receipts_kept_until().is_some_and(|until| until <= now) {
            self.owed.clear();
            self.owed_at = None;
        }
    }

    fn receipts_kept_until(&self) -> Option<Instant> {
        let away = !self.connected && self.sessions.is_empty();
        self.owed_at.filter(|_| away).map(|at| at + KEEP_RECEIPTS)
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
        } else if self.needs_connection() {
            let due = self.asked_for_connection.is_none_or(|at| at + REMIND <= now.instant);
            if due {
                self.asked_for_connection = Some(now.instant);
                self.events.push_back(Event::NeedConnection);
            }
        }
    }

    fn needs_connection(&self) -> bool {
        !self.connected && (self.opening.wanted || !self.outbox.is_empty())
    }

    /// When the owner is to be reminded that a connection is needed.
    pub(super) fn next_reminder(&self) -> Option<Instant> {
        self.asked_for_connection.filter(|_| self.needs_connection()).map(|at| at + REMIND)
    }

    /// Whether what waits should wait for more: requests are in flight, the last one has only just gone,
    /// and what there is does not fill another.
    fn is_gathering(&self, now: Instant) -> bool {
        now < self.last_sealed + GATHER
            && self.sealed_in_flight() >= OVERLAPPING
            && self.owed_at.is_none_or(|at| at > now)
            && !self.outbox.fills_a_batch()
    }

    /// When what gathers goes out. While there is nothing to send it with, the clock makes no
    /// difference: whatever ends that flushes it.
    pub(super) fn next_gathered(&self, now: Instant) -> Option<Instant> {
        let gathers = self.connected
            && self.outbox.has_waiting()
            && self.sealed_in_flight() < MAX_REQUESTS_IN_FLIGHT
            && self.is_gathering(now)
            && self.sessions.has_sendable(now);
        gathers.then_some(self.last_sealed + GATHER)
    }

    /// Whether a request carries a sealed envelope. One that does not is a step of a handshake.
    #[must_use]
    pub fn is_sealed(&self, id: RequestId) -> bool {
        matches!(self.in_flight.get(&id), Some(Content::Sealed { .. }))
    }

    fn has_something_due(&self, now: Instant) -> bool {
        self.outbox.has_waiting() || self.owed_at.is_some_and(|at| at <= now)
    }

    fn sealed_in_flight(&self) -> usize {
        let sealed = |content: &&Content| matches!(content, Content::Sealed { .. });
        self.in_flight.values().filter(sealed).count()
    }
}
