//! Opening a session: who begins, what is tried again, and what both sides do when both begin.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::legacy::{HandshakeError, Initiator, Message, PeerCheck, Session};
use peer_protocol::limits::HANDSHAKE_TIMEOUT;
use peer_protocol::link::Ended;
use peer_protocol::time::{Instant, Now};

use super::{Link, Live, Sent, Way, refusal};
use crate::legacy::event::{EventKind, SessionInfo};

/// Pause after the peer said that another handshake is under way: its own, most likely.
const YIELD: Duration = Duration::from_millis(250);

/// This side's handshake.
pub(super) struct Attempt {
    initiator: Initiator,
    began: Instant,
}

impl Link {
    /// Begins a handshake if there is need of one; returns whether it did.
    pub(super) fn seek_handshake(&mut self, now: Now) -> bool {
        let idle = !self.wanted && self.queue.is_empty();
        if idle || self.responder.is_some() {
            return false;
        }
        match Initiator::start(&self.config.identity, &self.name, now, &mut self.rng) {
            Ok((initiator, message)) => {
                let attempt = Attempt { initiator, began: now.instant };
                self.request(&message, Sent::Handshake(Box::new(attempt)));
                true
            }
            Err(error) => {
                self.give_up(error.code(), error.to_string(), true, None, now);
                false
            }
        }
    }

    /// When the handshake that this side began is to be given up.
    pub(super) fn opening_deadline(&self) -> Option<Instant> {
        match &self.under_way {
            Some((_, Sent::Handshake(attempt))) => Some(attempt.initiator.deadline()),
            Some((_, Sent::Confirm)) => {
                self.session.as_ref().map(|live| live.began + HANDSHAKE_TIMEOUT)
            }
            Some((_, Sent::Message { .. })) | None => None,
        }
    }

    /// The answer to this side's `handshake`.
    pub(super) fn on_handshake_answer(&mut self, attempt: Attempt, bytes: &[u8], now: Now) {
        let Attempt { mut initiator, began } = attempt;
        let answer = match Message::parse(bytes) {
            Ok(answer) => answer,
            Err(error) => {
                let detail = format!("the answer to the handshake is no message: {error}");
                return self.give_up(error.code(), detail, false, None, now);
            }
        };
        if answer.content().msg_type == refusal::ERROR {
            return self.on_handshake_refused(&answer, now);
        }
        let check = PeerCheck { trust: self.trust.as_ref(), expected_key: Some(&self.key) };
        match initiator.handle_ack(&answer, check, now, &mut self.rng) {
            Ok((session, confirm)) => {
                self.install(session, true, began);
                self.request(&confirm, Sent::Confirm);
            }
            // The peer goes by another name: the next attempt uses it.
            Err(HandshakeError::Sender { .. }) if self.learn_name(&answer, now) => {}
            Err(error) => {
                // Only what the peer signed says anything about it.
                let fatal = is_final(error.code()) && answer.verify(&self.key).is_ok();
                self.give_up(error.code(), error.to_string(), fatal, None, now);
            }
        }
    }

    fn on_handshake_refused(&mut self, answer: &Message, now: Now) {
        let Some(report) = refusal::read(answer, &self.key, now.timestamp) else {
            let detail = "the peer refused without a valid signature".to_owned();
            return self.give_up(ErrorCode::InvalidSignature, detail, false, None, now);
        };
        // It may not have known that it was meant.
        if self.learn_name(answer, now) && report.code == ErrorCode::InvalidSignature {
            return;
        }
        let pause = match report.code {
            ErrorCode::HandshakeInProgress => Some(YIELD),
            _ => refusal::pause(&report),
        };
        let fatal = is_final(report.code);
        self.give_up(report.code, report.detail, fatal, pause, now);
    }

    /// Takes the name under which the peer signs, once per session; returns whether it was news.
    fn learn_name(&mut self, answer: &Message, now: Now) -> bool {
        let sender = &answer.content().sender_id;
        let news = !self.pause.learnt
            && *sender != self.name
            && answer.check_time(now.timestamp).is_ok()
            && answer.verify(&self.key).is_ok();
        if news {
            self.pause.learnt = true;
            self.name = sender.clone();
        }
        news
    }

    /// The answer to this side's `handshake_confirm`.
    pub(super) fn on_confirm_answer(&mut self, bytes: &[u8], now: Now) {
        if bytes.is_empty() {
            return self.announce(now);
        }
        let lost =
            (ErrorCode::InvalidState, "the peer refused the end of the handshake".to_owned());
        let (code, detail) = match Message::parse(bytes) {
            Ok(answer) if answer.content().msg_type == refusal::ERROR => {
                refusal::read(&answer, &self.key, now.timestamp)
                    .map_or(lost, |report| (report.code, report.detail))
            }
            Ok(answer) => {
                if let Err(report) = self.take_in(&answer, Way::Call, now) {
                    tracing::debug!(code = %report.code, "an answer is refused");
                }
                return self.announce(now);
            }
            Err(_) => lost,
        };
        self.session = None;
        self.give_up(code, detail, is_final(code), None, now);
    }

    /// This side's handshake came to nothing.
    pub(super) fn opening_lost(&mut self, now: Now) {
        if self.session.as_ref().is_some_and(|live| live.ready) {
            return;
        }
        let detail = "the peer did not answer".to_owned();
        self.give_up(ErrorCode::InvalidState, detail, false, None, now);
    }

    pub(super) fn install(&mut self, session: Session, initiator: bool, began: Instant) {
        // Handshakes draw nothing but version 4 ids.
        let Ok(id) = SessionId::try_from(session.id()) else { return };
        self.end_session(Ended::Expired);
        self.wanted = false;
        self.pause.reset();
        self.name = session.peer().clone();
        self.entity = Some(session.peer().clone());
        self.session = Some(Live { id, session, ready: false, initiator, began });
    }

    /// The peer has the session too.
    pub(super) fn announce(&mut self, now: Now) {
        if let Some(live) = &mut self.session
            && !live.ready
        {
            live.ready = true;
            self.events.push_back(EventKind::SessionReady(SessionInfo {
                id: live.id,
                peer: live.session.peer().clone(),
                initiator: live.initiator,
                took: now.instant.since(live.began),
                expires: live.session.expires_at(),
            }));
        }
    }

    /// Ends this side's handshake. After a fatal failure nothing that waits can be sent either.
    pub(super) fn give_up(
        &mut self,
        code: ErrorCode,
        detail: String,
        fatal: bool,
        pause: Option<Duration>,
        now: Now,
    ) {
        self.session.take_if(|live| !live.ready);
        self.pause.after(pause, now.instant);
        self.pause.learnt = false;
        if fatal {
            self.wanted = false;
            self.refuse_queue(code, &detail);
        }
        self.events.push_back(EventKind::HandshakeFailed { code, detail, fatal });
    }
}

/// Whether a new attempt would meet with the same refusal.
const fn is_final(code: ErrorCode) -> bool {
    match code {
        ErrorCode::InvalidVersion
        | ErrorCode::InvalidSignature
        | ErrorCode::ReplayDetected
        | ErrorCode::EncryptionRequired => true,
        ErrorCode::SessionExpired
        | ErrorCode::SequenceError
        | ErrorCode::DecryptionFailed
        | ErrorCode::ChallengeExpired
        | ErrorCode::ChallengeInvalid
        | ErrorCode::HandshakeInProgress
        | ErrorCode::SessionNotFound
        | ErrorCode::EncryptionNotReady
        | ErrorCode::InvalidState
        | ErrorCode::RateLimited
        | ErrorCode::ChunkError
        | ErrorCode::DhtError => false,
    }
}
