//! Requests that come in.

use std::time::Duration;

use super::owed::Receipts;
use super::reply::{Held, REFUSALS, rate_limited};
use super::{Ended, Event, ExchangeId, Link, SendFailure};
use crate::envelope::{Envelope, EnvelopeError, EnvelopeKind};
use crate::error::ErrorCode;
use crate::id::{MessageId, SessionId, StreamId};
use crate::message::{
    Body, ErrorReport, Message, MessageKind, Receipt, ReceiptStatus, UnknownKind,
};
use crate::rate_limit::RateLimited;
use crate::time::Now;

/// Pause if a peer that asks for one does not say how long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What became of the messages of one envelope.
#[derive(Default)]
pub(super) struct Outcome {
    /// The exchange that brought them; 0 for an answer.
    pub(super) exchange: u64,
    /// If it is an answer: the stream of the ordered messages that it answers.
    pub(super) stream: Option<StreamId>,
    /// Bytes of all bodies.
    pub(super) len: usize,
    pub(super) receipts: Receipts,
    pub(super) refused: Vec<Message>,
    /// Messages that are being written.
    pub(super) writing: usize,
    pub(super) expects_answer: bool,
    pub(super) closed: Option<String>,
}

impl Link {
    /// Handles a request; the answer follows as a transmit, perhaps after a while.
    pub fn handle_request(&mut self, exchange: ExchangeId, bytes: Vec<u8>, now: Now) {
        match Envelope::decode(bytes) {
            Ok(envelope) => self.handle_envelope(exchange, envelope, now),
            Err(error) => self.refuse_garbage(exchange, &error, now),
        }
        self.flush(now);
    }

    /// Handles a request that the carrier has decoded already.
    pub fn handle_envelope(&mut self, exchange: ExchangeId, envelope: Envelope, now: Now) {
        self.heard(now.instant);
        match envelope.header().kind {
            EnvelopeKind::HandshakeInit | EnvelopeKind::Handshake => {
                self.on_start(exchange, &envelope, now);
            }
            EnvelopeKind::ChallengeResponse
            | EnvelopeKind::SessionConfirm
            | EnvelopeKind::HandshakeConfirm => self.on_step(exchange, &envelope, now),
            EnvelopeKind::Sealed => self.on_sealed(exchange, envelope, now),
            kind @ (EnvelopeKind::HandshakeInitAck
            | EnvelopeKind::SessionEstablished
            | EnvelopeKind::Ready
            | EnvelopeKind::HandshakeAck
            | EnvelopeKind::Error) => {
                let detail = format!("{kind} answers; it does not ask");
                self.refuse(exchange, Some(&envelope), ErrorCode::InvalidState, &detail, now);
            }
        }
        self.flush(now);
    }

    /// Refuses a request that is no envelope.
    pub fn refuse_garbage(&mut self, exchange: ExchangeId, error: &EnvelopeError, now: Now) {
        self.refuse(exchange, None, error.into(), &error.to_string(), now);
    }

    fn on_sealed(&mut self, exchange: ExchangeId, envelope: Envelope, now: Now) {
        let Some(id) = envelope.header().session else {
            let detail = "a sealed envelope names its session";
            return self.refuse(exchange, Some(&envelope), ErrorCode::SessionNotFound, detail, now);
        };
        if self.opening.is_opening(id) {
            let detail = "the session is not ready yet";
            let code = ErrorCode::EncryptionNotReady;
            return self.refuse(exchange, Some(&envelope), code, detail, now);
        }
        if self.sessions.get(id).is_none() {
            let detail = format!("no session {id} here; open a new one");
            let code = ErrorCode::SessionNotFound;
            return self.refuse(exchange, Some(&envelope), code, &detail, now);
        }
        // Even what costs nothing by itself, such as answers and receipts, has to be opened.
        let quota = self.sealed_quota();
        if let Err(limited) = self.sealed_requests.take(quota, now.instant) {
            return self.refuse_for_now(exchange, &envelope, limited, now);
        }
        let Some(session) = self.sessions.get(id) else { return self.drop_exchange(exchange) };
        let nonce = envelope.header().nonce;
        let record = match session.open(envelope, &self.config.handshake.identity, now) {
            Ok(record) => record,
            Err(error) => {
                let report = ErrorReport::new((&error).into(), error.to_string());
                return self.refuse_with(exchange, Some(nonce), report, now);
            }
        };
        // Rates come before the signature, the dear check.
        let limits = self.charge(record.messages(), now);
        if limits.iter().all(Result::is_err) {
            // The answer is sealed and signed: a peer that only goes over gets no more of them.
            if self.refusals.take(REFUSALS, now.instant).is_err() {
                return self.drop_exchange(exchange);
            }
            let refused = record.messages().iter().zip(limits);
            let refused = refused
                .filter_map(|(message, limit)| {
                    self.limited(message.as_ref().ok()?.id, limit.err()?)
                })
                .collect();
            return self.answer_sealed(exchange, id, refused, now);
        }
        let Some(session) = self.sessions.get(id) else { return self.drop_exchange(exchange) };
        let opened = match session.accept(record, now) {
            Ok(opened) => opened,
            Err(error) => {
                let report = ErrorReport::new((&error).into(), error.to_string());
                return self.refuse_with(exchange, Some(nonce), report, now);
            }
        };
        self.sessions.confirmed(id, now.instant);
        let outcome = Outcome { exchange: self.next_hold(), ..Outcome::default() };
        let outcome = self.take_in(opened.messages, limits, outcome, now);
        let Outcome { receipts, refused, writing, expects_answer, closed, .. } = outcome;
        let until = now.instant + self.config.answer_hold;
        let session = id;
        let held = Held { exchange, session, receipts, refused, writing, expects_answer, until };
        if writing > 0 || expects_answer {
            self.hold(outcome.exchange, held, now);
        } else {
            self.answer_held(held, now);
        }
        self.end_if_closed(id, closed);
    }

    /// Takes the tokens that messages cost; says for each whether there was one.
    pub(super) fn charge(
        &mut self,
        messages: &[Result<Message, UnknownKind>],
        now: Now,
    ) -> Vec<Result<(), RateLimited>> {
        let profile = self.rate_profile();
        let charge = |message: &Result<Message, UnknownKind>| {
            let class = message.as_ref().ok().and_then(|message| message.kind.rate_class());
            class.map_or(Ok(()), |class| self.limiter.take(&profile, class, now.instant))
        };
        messages.iter().map(charge).collect()
    }

    /// Hands over what is new, and notes what has to be said about each message.
    pub(super) fn take_in(
        &mut self,
        messages: Vec<Result<Message, UnknownKind>>,
        limits: Vec<Result<(), RateLimited>>,
        mut outcome: Outcome,
        now: Now,
    ) -> Outcome {
        outcome.len = messages.iter().flatten().map(|message| message.body.len()).sum();
        for (message, limit) in messages.into_iter().zip(limits) {
            match (message, limit) {
                (Ok(message), Ok(())) => self.take_in_one(message, &mut outcome, now),
                (Ok(message), Err(limit)) => {
                    outcome.refused.extend(self.limited(message.id, limit));
                }
                (Err(unknown), _) => {
                    let report = ErrorReport::new(ErrorCode::InvalidVersion, unknown.to_string());
                    outcome.refused.extend(self.error(unknown.id, report));
                }
            }
        }
        outcome
    }

    fn take_in_one(&mut self, message: Message, outcome: &mut Outcome, now: Now) {
        if let Some(order) = message.order {
            return self.take_in_ordered(message, &order, outcome, now);
        }
        if self.recent.contains(message.id) {
            outcome.receipts.received.push(message.id);
            return;
        }
        if let Err(report) = check_reply(&message) {
            outcome.refused.extend(self.error(message.id, report));
            return;
        }
        let body = match message.decode() {
            Ok(body) => body,
            Err(error) => {
                let report = ErrorReport::new((&error).into(), error.to_string());
                outcome.refused.extend(self.error(message.id, report));
                return;
            }
        };
        match body {
            Body::Receipt(receipt) => self.on_receipt(receipt),
            Body::Error(report) => {
                self.on_refused(message.in_reply_to, report, outcome.stream, now);
            }
            Body::SessionClose(close) => outcome.closed = Some(close.reason),
            Body::Task(_)
            | Body::TaskResult(_)
            | Body::StatusReport(_)
            | Body::WakeUp(_)
            | Body::WakeUpAck(_)
            | Body::Heartbeat(_)
            | Body::HeartbeatAck(_)
            | Body::CapabilityQuery(_)
            | Body::CapabilityResponse(_)
            | Body::Discovery(_)
            | Body::DiscoveryResponse(_)
            | Body::Chunk(_)
            | Body::ChunkAck(_)
            | Body::Mailbox(_)
            | Body::MailboxResult(_) => {
                if let Err(report) = self.config.admission.admit(&self.peer_key, &message) {
                    outcome.refused.extend(self.error(message.id, report));
                    return;
                }
                self.recent.insert(message.id);
                outcome.receipts.received.push(message.id);
                outcome.expects_answer |= message.kind.expects_answer();
                self.events.push_back(Event::Message(message));
            }
        }
    }

    pub(super) fn end_if_closed(&mut self, id: SessionId, closed: Option<String>) {
        if let Some(reason) = closed {
            self.session_lost(id, Ended::ClosedByPeer { reason });
        }
    }

    /// The peer has messages of this entity.
    fn on_receipt(&mut self, receipt: Receipt) {
        let Receipt { status, message_ids: mut ids } = receipt;
        let mut volatile = Vec::new();
        ids.retain(|id| {
            if let Some(message) = self.outbox.remove(*id) {
                self.outbox.pacer.speed_up(message.kind);
                volatile.push(*id);
                return false;
            }
            // Of an ordered message `received` promises nothing.
            let counts = status != ReceiptStatus::Received;
            if counts && let Some(kind) = self.lane.remove(*id) {
                self.outbox.pacer.speed_up(kind);
            }
            counts
        });
        if !volatile.is_empty() {
            self.events.push_back(Event::Receipts { ids: volatile, status });
        }
        if !ids.is_empty() {
            self.events.push_back(Event::Acknowledged { ids, status });
        }
    }

    /// The peer refused one message of an envelope, which was sent in `stream` if it was ordered.
    fn on_refused(
        &mut self,
        id: Option<MessageId>,
        report: ErrorReport,
        stream: Option<StreamId>,
        now: Now,
    ) {
        let Some(id) = id else { return };
        if let Some(kind) = self.lane.kind(id) {
            return self.on_ordered_refused(id, kind, report, stream, now);
        }
        if let (ErrorCode::RateLimited, Some(retry_after)) = (report.code, report.retry_after()) {
            if let Some(kind) = self.outbox.kind(id) {
                self.outbox.pacer.slow_down(kind, retry_after, now.instant);
                self.outbox.delay(id, now.instant + retry_after);
                self.events.push_back(Event::Paced { id, retry_after });
            }
            return;
        }
        if self.outbox.remove(id).is_some() {
            let why = SendFailure::Refused { code: report.code, detail: report.detail };
            self.events.push_back(Event::Failed { id, why });
        }
    }

    /// The peer refused an ordered message.
    fn on_ordered_refused(
        &mut self,
        id: MessageId,
        kind: MessageKind,
        report: ErrorReport,
        stream: Option<StreamId>,
        now: Now,
    ) {
        match report.code {
            ErrorCode::RateLimited => {
                let retry_after = report.retry_after().unwrap_or(RETRY_AFTER);
                self.outbox.pacer.slow_down(kind, retry_after, now.instant);
                self.lane.delay(id, now.instant + retry_after);
                self.events.push_back(Event::Paced { id, retry_after });
            }
            // An answer to what was sent in an earlier stream says nothing about this one.
            ErrorCode::SequenceError => {
                if let Some(stream) = stream.filter(|stream| self.lane.stream() == Some(*stream))
                    && self.lane.refuse(id)
                {
                    self.events.push_back(Event::OutOfSequence { id, stream });
                }
            }
            code @ (ErrorCode::InvalidVersion
            | ErrorCode::InvalidSignature
            | ErrorCode::ReplayDetected
            | ErrorCode::SessionExpired
            | ErrorCode::DecryptionFailed
            | ErrorCode::ChallengeExpired
            | ErrorCode::ChallengeInvalid
            | ErrorCode::HandshakeInProgress
            | ErrorCode::SessionNotFound
            | ErrorCode::EncryptionNotReady
            | ErrorCode::InvalidState
            | ErrorCode::EncryptionRequired
            | ErrorCode::ChunkError
            | ErrorCode::DhtError) => {
                if self.lane.refuse(id) {
                    let why = SendFailure::Refused { code, detail: report.detail };
                    self.events.push_back(Event::Failed { id, why });
                }
            }
        }
    }

    fn limited(&mut self, id: MessageId, limit: RateLimited) -> Option<Message> {
        self.error(id, rate_limited(limit))
    }

    pub(super) fn error(&mut self, id: MessageId, report: ErrorReport) -> Option<Message> {
        Message::new(self.rng.as_mut(), &Body::from(report), Some(id)).ok()
    }
}

/// An answer names what it answers.
pub(super) fn check_reply(message: &Message) -> Result<(), ErrorReport> {
    if message.kind.is_answer() && message.in_reply_to.is_none() {
        let detail = format!("{} answers a message, but this one names none", message.kind);
        return Err(ErrorReport::new(ErrorCode::InvalidState, detail));
    }
    Ok(())
}
