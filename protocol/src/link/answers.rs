//! Answers to requests that this link sent, and requests that failed.

use std::time::Duration;

use super::receive::Outcome;
use super::requests::Content;
use super::{Ended, Event, Link, RequestId};
use crate::cbor;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::error::ErrorCode;
use crate::id::{MessageId, Nonce, SessionId, StreamId};
use crate::message::{ErrorReport, Message, UnknownKind};
use crate::replay::ReplayError;
use crate::time::Now;

/// Pause before a record is sent again to a peer that is not ready yet.
const NOT_READY: Duration = Duration::from_millis(50);

/// A sealed record that the peer could not use, and what was in it.
struct Refused {
    session: SessionId,
    messages: Vec<MessageId>,
    ordered: Vec<MessageId>,
}

impl Link {
    /// Handles the answer to a request. One that does not hold counts as none.
    pub fn handle_answer(&mut self, id: RequestId, bytes: Vec<u8>, now: Now) {
        let Some(content) = self.in_flight.remove(&id) else { return };
        let Ok(envelope) = Envelope::decode(bytes) else {
            self.lost(content, now);
            return self.flush(now);
        };
        self.heard(now.instant);
        if envelope.header().kind == EnvelopeKind::Error {
            self.on_error(content, &envelope, now);
        } else {
            match content {
                Content::Step { attempt, .. } => self.on_step_answer(attempt, envelope, now),
                content @ Content::Sealed { .. } => self.on_sealed_answer(content, envelope, now),
            }
        }
        self.flush(now);
    }

    /// The carrier could not deliver a request, or got no answer.
    pub fn handle_failure(&mut self, id: RequestId, now: Now) {
        if let Some(content) = self.in_flight.remove(&id) {
            self.lost(content, now);
            self.flush(now);
        }
    }

    fn on_sealed_answer(&mut self, content: Content, envelope: Envelope, now: Now) {
        let opened = envelope.header().session.and_then(|id| {
            let session = self.sessions.get(id)?;
            let record = session.open(envelope, &self.config.handshake.identity, now).ok()?;
            Some((id, session.accept(record, now).ok()?))
        });
        let Some((id, opened)) = opened else { return self.lost(content, now) };
        self.sessions.confirmed(id, now.instant);
        self.lane.answered();
        let Content::Sealed { messages, ordered, stream, taken, .. } = content else { return };
        let closed = self.take_in_answer(opened.messages, stream, now);
        for id in messages {
            self.outbox.retry(id, now.instant);
        }
        let jitter = self.jitter();
        self.lane.unmentioned(&ordered, jitter, now.instant);
        if !taken.is_empty() {
            self.events.push_back(Event::Told(taken));
        }
        self.end_if_closed(id, closed);
    }

    /// Takes in what an answer holds; returns why the peer closed the session, if it did.
    pub(super) fn take_in_answer(
        &mut self,
        messages: Vec<Result<Message, UnknownKind>>,
        stream: Option<StreamId>,
        now: Now,
    ) -> Option<String> {
        // What is refused here is not acknowledged, comes again as a request, and is refused there.
        let limits = self.charge(&messages, now);
        let outcome = Outcome { stream, ..Outcome::default() };
        let outcome = self.take_in(messages, limits, outcome, now);
        self.owe(&outcome.receipts, now.instant);
        outcome.closed
    }

    /// The peer answers with an error outside the session. It is signed, and names the
    /// nonce of what it refuses.
    fn on_error(&mut self, content: Content, envelope: &Envelope, now: Now) {
        let report = match self.read_error(envelope, &content, now) {
            Ok(report) => report,
            Err(skew) => {
                // If the clocks are too far apart, the peer's word for it is out of date here too.
                if let (Content::Step { attempt, .. }, Some(skew)) = (&content, skew) {
                    let (code, detail) = ((&skew).into(), skew.to_string());
                    self.on_step_refused(*attempt, code, &detail, None, now);
                }
                return self.lost(content, now);
            }
        };
        let retry_after = report.retry_after();
        match content {
            Content::Step { attempt, .. } => {
                self.on_step_refused(attempt, report.code, &report.detail, retry_after, now);
            }
            Content::Sealed { session, messages, ordered, receipts, taken, .. } => {
                self.owe(&receipts, now.instant);
                self.owed.add_taken(&taken, now.instant);
                let refused = Refused { session, messages, ordered };
                self.on_record_refused(refused, report.code, retry_after, now);
            }
        }
    }

    /// Reads an error of the peer. If its only fault is a clock that is far off, says how far.
    fn read_error(
        &mut self,
        envelope: &Envelope,
        content: &Content,
        now: Now,
    ) -> Result<ErrorReport, Option<ReplayError>> {
        let header = envelope.header();
        let identity = &self.config.handshake.identity;
        if !identity.answers_to(&header.recipient) {
            return Err(None);
        }
        let fresh = self.replay.check(header.timestamp, &header.nonce, now.timestamp);
        if matches!(fresh, Err(ReplayError::Repeated | ReplayError::Forgotten)) {
            return Err(None);
        }
        let report: ErrorReport = cbor::decode(envelope.payload()).map_err(|_| None)?;
        // A peer that could not even read a step cannot name it either.
        let named = report.in_reply_to.map(Nonce::from_bytes);
        let meant = match content {
            Content::Step { nonce, .. } => named.is_none() || named == *nonce,
            Content::Sealed { nonce, .. } => named == Some(*nonce),
        };
        if !meant {
            return Err(None);
        }
        envelope.verify(&self.peer_key).map_err(|_| None)?;
        fresh.map_err(Some)?;
        self.replay.remember(header.timestamp, header.nonce, now.timestamp);
        Ok(report)
    }

    /// The peer could not use a sealed record. Nothing in it is lost.
    fn on_record_refused(
        &mut self,
        refused: Refused,
        code: ErrorCode,
        retry_after: Option<Duration>,
        now: Now,
    ) {
        let Refused { session, messages, ordered } = refused;
        let pause = match code {
            ErrorCode::EncryptionNotReady => Some(NOT_READY),
            ErrorCode::RateLimited => Some(retry_after.unwrap_or(Duration::from_secs(1))),
            ErrorCode::SessionNotFound
            | ErrorCode::SessionExpired
            | ErrorCode::DecryptionFailed
            | ErrorCode::InvalidSignature
            | ErrorCode::InvalidVersion
            | ErrorCode::InvalidState
            | ErrorCode::EncryptionRequired => {
                self.session_lost(session, Ended::Unknown);
                None
            }
            ErrorCode::ReplayDetected
            | ErrorCode::SequenceError
            | ErrorCode::ChallengeExpired
            | ErrorCode::ChallengeInvalid
            | ErrorCode::HandshakeInProgress
            | ErrorCode::ChunkError
            | ErrorCode::DhtError => None,
        };
        for id in messages {
            match pause {
                Some(pause) => self.outbox.delay(id, now.instant + pause),
                None => self.outbox.retry(id, now.instant),
            }
        }
        match pause {
            Some(pause) => {
                for id in ordered {
                    self.lane.delay(id, now.instant + pause);
                }
            }
            None => self.lane.lost(&ordered, now.instant),
        }
    }
}
