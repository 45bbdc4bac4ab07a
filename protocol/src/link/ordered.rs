//! Ordered messages (§8): those to the peer, and those from it, which the owner writes before they are
//! acknowledged.

use std::time::Duration;

use bytes::Bytes;

use super::owed::Receipts;
use super::receive::Outcome;
use super::{Event, Link};
use crate::delivery::{Order, Resume, Verdict};
use crate::error::ErrorCode;
use crate::id::{MessageId, SessionId};
use crate::message::{ErrorReport, Message};
use crate::time::{Instant, Now};

/// When a peer is to try again whose message could not be written.
const AFTER_FAILED_WRITE_MS: u64 = 1_000;
/// How often it is looked whether others need the room of messages that are held.
const GIVE_WAY: Duration = Duration::from_secs(1);
/// The tag of messages whose exchange is answered, or that came in an answer.
const NO_EXCHANGE: u64 = 0;

impl Link {
    /// Sends ordered messages, and sends them again until they are acknowledged, refused or withdrawn.
    /// They have their stream and number, and come in order; those that are here already stay as they
    /// are. Without them here all lower numbers of the stream are settled.
    pub fn hand(&mut self, messages: Vec<Message>, now: Now) {
        for message in messages {
            self.lane.push(message);
        }
        self.flush(now);
    }

    /// Takes ordered messages back: what is said of them is on disk.
    pub fn withdraw(&mut self, ids: &[MessageId], now: Now) {
        for id in ids {
            self.lane.withdraw(*id);
        }
        self.flush(now);
    }

    /// What the disk knows of the peer's messages. Before, none of its ordered messages is taken.
    /// No write may be under way.
    pub fn resume(&mut self, resume: &Resume, now: Now) {
        if self.incoming.is_idle() {
            let held = self.incoming.resume(resume);
            self.owed.add_taken(&resume.owed, now.instant);
            for message in held {
                self.take_in_held(message, now);
            }
            self.take_held(now);
        }
        self.flush(now);
    }

    /// Messages are on disk.
    pub fn stored(&mut self, ids: &[MessageId], now: Now) {
        let mut late = Receipts::default();
        let mut exchanges = Vec::new();
        for id in ids {
            let Some(tag) = self.incoming.stored(*id) else { continue };
            match self.held.get_mut(&tag) {
                Some(held) => {
                    held.receipts.delivered.push(*id);
                    held.writing = held.writing.saturating_sub(1);
                    exchanges.push(tag);
                }
                None => late.delivered.push(*id),
            }
        }
        self.owed.add(&late, now.instant);
        self.take_held(now);
        self.written(exchanges, now);
    }

    /// Messages could not be written, nor could those after them.
    pub fn not_stored(&mut self, ids: &[MessageId], now: Now) {
        let mut exchanges = Vec::new();
        for id in ids {
            let Some(tag) = self.incoming.not_stored(*id) else { continue };
            let report = ErrorReport {
                retry_after_ms: Some(AFTER_FAILED_WRITE_MS),
                ..ErrorReport::new(ErrorCode::RateLimited, "it cannot be stored at the moment")
            };
            let refusal = self.error(*id, report);
            if let Some(held) = self.held.get_mut(&tag) {
                held.refused.extend(refusal);
                held.writing = held.writing.saturating_sub(1);
                exchanges.push(tag);
            }
        }
        self.written(exchanges, now);
    }

    /// The agent took messages, and that is on disk.
    pub fn processed(&mut self, ids: &[MessageId], now: Now) {
        for id in ids {
            self.incoming.processed(*id);
        }
        self.owed.add_taken(ids, now.instant);
        self.flush(now);
    }

    /// Ordered messages leave, sealed in `session`.
    pub(super) fn left(&mut self, ids: &[MessageId], session: SessionId) {
        self.lane.sealed(ids, session);
        if !ids.is_empty() {
            self.events.push_back(Event::Transmitted(ids.to_vec()));
        }
    }

    /// Whether messages of the peer are being written.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        !self.incoming.is_idle()
    }

    /// An ordered message came in.
    pub(super) fn take_in_ordered(
        &mut self,
        message: Message,
        order: &Order,
        outcome: &mut Outcome,
        now: Now,
    ) {
        let id = message.id;
        if !message.kind.may_be_ordered() {
            let detail = format!("a {} is never ordered", message.kind);
            let report = ErrorReport::new(ErrorCode::InvalidState, detail);
            outcome.refused.extend(self.error(id, report));
            return;
        }
        match self.incoming.judge(id, order) {
            Verdict::Known(status) => outcome.receipts.add(id, status),
            Verdict::Writing => {}
            Verdict::OutOfSequence => {
                let detail = "its stream is over, or later messages were taken";
                let report = ErrorReport::new(ErrorCode::SequenceError, detail);
                outcome.refused.extend(self.error(id, report));
            }
            Verdict::Next => {
                if let Err(report) = self.check(&message) {
                    outcome.refused.extend(self.error(id, report));
                    return;
                }
                self.take_before(order, now);
                outcome.expects_answer |= message.kind.expects_answer();
                let message = detached(message, outcome.len);
                if self.take(message, outcome.exchange, now) {
                    outcome.writing += 1;
                }
                self.take_held(now);
            }
            Verdict::Early => self.hold_early(detached(message, outcome.len), now),
        }
    }

    /// A message that was held while it was not known what is on disk. What is to be said of it is
    /// said when it comes again.
    fn take_in_held(&mut self, message: Message, now: Now) {
        let Some(order) = message.order else { return };
        match self.incoming.judge(message.id, &order) {
            Verdict::Next => {
                self.take_before(&order, now);
                self.take_if_good(message, now);
            }
            Verdict::Early => self.hold_early(message, now),
            Verdict::Known(_) | Verdict::Writing | Verdict::OutOfSequence => {}
        }
    }

    pub(super) fn hold_early(&mut self, message: Message, now: Now) {
        self.incoming.hold(message);
        self.gives_way.get_or_insert(now.instant + GIVE_WAY);
    }

    /// Lets other links have the room that this one has beyond its share.
    pub(super) fn tick_early(&mut self, now: Instant) {
        if self.gives_way.is_some_and(|at| at <= now) {
            self.incoming.give_way();
            self.gives_way = (self.incoming.held().0 > 0).then(|| now + GIVE_WAY);
        }
    }

    /// Takes what was held for a message that has been taken.
    pub(super) fn take_held(&mut self, now: Now) {
        while let Some(message) = self.incoming.next_held() {
            self.take_if_good(message, now);
        }
    }

    pub(super) fn take_before(&mut self, order: &Order, now: Now) {
        for earlier in self.incoming.before(order) {
            self.take_if_good(earlier, now);
        }
    }

    /// Takes a message that was held. If it is refused it is dropped: it comes again, and is refused
    /// then.
    fn take_if_good(&mut self, message: Message, now: Now) {
        if self.check(&message).is_ok() {
            self.take(message, NO_EXCHANGE, now);
        }
    }

    pub(super) fn take(&mut self, message: Message, exchange: u64, now: Now) -> bool {
        let arrival = self.incoming.take(self.peer_key, message, exchange, now.timestamp);
        let taken = arrival.is_some();
        self.events.extend(arrival.map(Box::new).map(Event::Ordered));
        taken
    }

    /// Whether the message can be taken, and whether there is room for it.
    pub(super) fn check(&self, message: &Message) -> Result<(), ErrorReport> {
        super::receive::check_reply(message)?;
        message.decode().map_err(|error| ErrorReport::new((&error).into(), error.to_string()))?;
        self.config.admission.admit(&self.peer_key, message)
    }

    /// Writes of these exchanges are done: those that wait for nothing else are answered.
    fn written(&mut self, mut exchanges: Vec<u64>, now: Now) {
        exchanges.dedup();
        for exchange in exchanges {
            let last = self.held.last_key_value().is_some_and(|(last, _)| *last == exchange);
            let Some(held) = self.held.get(&exchange) else { continue };
            // The answer to a single message may come soon, and then rides along.
            let waits = held.writing > 0 || (held.expects_answer && last);
            if !waits && let Some(held) = self.held.remove(&exchange) {
                self.answer_held(held, now);
            }
        }
        if self.incoming.wants_resume() {
            self.events.push_back(Event::ResumeWanted);
        }
        self.flush(now);
    }
}

/// The message, with a body that does not keep an envelope of `len` bytes in memory for little.
fn detached(mut message: Message, len: usize) -> Message {
    if message.body.len() < len / 2 {
        message.body = Bytes::copy_from_slice(&message.body);
    }
    message
}
