//! What goes out: messages of this side, and answers to the peer.

use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::identity::EntityId;
use peer_protocol::legacy::{Message, Sessionless};
use peer_protocol::link::{Ended, ExchangeId, RequestId, SendFailure, Transmit};
use peer_protocol::message::ErrorReport;
use peer_protocol::rate_limit::Quota;
use peer_protocol::time::Now;

use super::queue::Entry;
use super::refusal::{self, refusal};
use super::{Link, Sent, Way};
use crate::legacy::event::{EventKind, Outgoing};

/// How many refusals a peer gets; each costs a signature.
pub(super) const REFUSALS: Quota = Quota { per_minute: 60, burst: 60 };
/// How often a message goes out again because the peer did not know the session.
const MAX_REFUSED: u32 = 3;

impl Link {
    /// Sends the next message; returns whether anything changed.
    pub(super) fn send_next(&mut self, now: Now) -> bool {
        let before = (self.queue.len(), self.session.is_some());
        if let Some((message, entry, session)) = self.seal_next(now) {
            self.request(&message, Sent::Message { session, entry });
        }
        before != (self.queue.len(), self.session.is_some())
    }

    /// Takes the next message from the queue and signs it, in the session if there is one. One that cannot
    /// be sent fails, and the one after it is taken.
    pub(super) fn seal_next(&mut self, now: Now) -> Option<(Message, Entry, Option<SessionId>)> {
        loop {
            let sessionless = self.sessionless();
            if self.session.is_none() && sessionless.is_none() {
                return None;
            }
            let entry = self.queue.take()?;
            let Outgoing { msg_type, payload, .. } = &entry.message;
            let (payload, rng) = (payload.clone(), &mut self.rng);
            let (sealed, session) = match (&mut self.session, sessionless) {
                (Some(live), _) => (live.session.seal(msg_type, payload, now, rng), Some(live.id)),
                (None, Some(sessionless)) => (sessionless.seal(msg_type, payload, now, rng), None),
                (None, None) => return None,
            };
            let error = match sealed {
                Ok(message) => {
                    self.limiter.asked(msg_type);
                    return Some((message, entry, session));
                }
                Err(error) => error,
            };
            match error.code() {
                // It ran out of time or numbers: another one takes the message.
                ErrorCode::SessionExpired | ErrorCode::SequenceError => {
                    self.queue.put_back(entry);
                    self.end_session(Ended::Expired);
                    return None;
                }
                code => {
                    let detail = error.to_string();
                    self.failed(entry.message.id, SendFailure::Refused { code, detail });
                }
            }
        }
    }

    /// How messages travel with a peer that opens no session, if the operator lets them.
    pub(super) fn sessionless(&self) -> Option<Sessionless> {
        let entity = self.terms.entity.clone().filter(|_| self.terms.sessionless)?;
        Some(Sessionless::new(&self.config.identity, entity, self.key, self.started))
    }

    pub(super) fn on_message_answer(
        &mut self,
        session: Option<SessionId>,
        mut entry: Entry,
        bytes: &[u8],
        now: Now,
    ) {
        let id = entry.message.id;
        if bytes.is_empty() {
            self.events.push_back(EventKind::Delivered { id });
            return;
        }
        let Ok(answer) = Message::parse(bytes) else {
            return self.failed(id, SendFailure::Unknown);
        };
        if answer.content().msg_type != refusal::ERROR {
            // The peer answers in place: it took the message, and says something itself.
            self.events.push_back(EventKind::Delivered { id });
            if let Err(report) = self.take_in(&answer, Way::Call, now) {
                tracing::debug!(code = %report.code, detail = report.detail, "an answer is refused");
            }
            return;
        }
        let Some(report) = refusal::read(&answer, &self.key, now.timestamp) else {
            return self.failed(id, SendFailure::Unknown);
        };
        match report.code {
            ErrorCode::RateLimited => {
                self.pause.after(refusal::pause(&report), now.instant);
                self.queue.put_back(entry);
            }
            // The peer has no such session any more, so it has not taken the message either.
            ErrorCode::SessionNotFound
            | ErrorCode::SessionExpired
            | ErrorCode::EncryptionNotReady
                if entry.refused < MAX_REFUSED =>
            {
                entry.refused += 1;
                self.queue.put_back(entry);
                // The peer may have opened another one meanwhile.
                if self.session.as_ref().is_some_and(|live| Some(live.id) == session) {
                    self.end_session(Ended::Unknown);
                }
            }
            code => self.failed(id, SendFailure::Refused { code, detail: report.detail }),
        }
    }

    pub(super) fn request(&mut self, message: &Message, sent: Sent) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.under_way = Some((id, sent));
        self.transmits.push_back(Transmit::Request { id, envelope: message.to_bytes() });
    }

    /// Answers a request; without a message, that there is nothing to say.
    pub(super) fn answer(&mut self, exchange: ExchangeId, message: Option<&Message>) {
        let envelope = message.map(Message::to_bytes).unwrap_or_default();
        self.transmits.push_back(Transmit::Answer { exchange, envelope });
    }

    /// Refuses a request. A peer that only makes errors soon gets no more answers.
    pub(in crate::legacy) fn refuse(
        &mut self,
        exchange: ExchangeId,
        to: Option<&EntityId>,
        report: &ErrorReport,
        now: Now,
    ) {
        if self.refusals.take(REFUSALS, now.instant).is_err() {
            self.transmits.push_back(Transmit::Drop { exchange });
            return;
        }
        let me = &self.config.identity;
        let to = to.unwrap_or(&self.name);
        let error = refusal(me, Some(to), report, now.timestamp, &mut self.rng);
        self.answer(exchange, Some(&error));
    }
}
