//! Opening a session: who begins, what is tried again, and what both sides do when both begin.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::legacy::{HandshakeError, Initiator, Message, PeerCheck, Responder, Session};
use peer_protocol::limits::HANDSHAKE_TIMEOUT;
use peer_protocol::link::{Ended, ExchangeId};
use peer_protocol::message::ErrorReport;
use peer_protocol::time::{Instant, Now};

use super::{Link, Live, Sent, refusal};
use crate::legacy::event::{EventKind, SessionInfo};

/// Pauses between attempts.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Pause after the peer said that another handshake is under way: its own, most likely.
const YIELD: Duration = Duration::from_millis(250);
/// How many confirmations of one handshake are looked at.
const MAX_CONFIRMS: u8 = 3;

/// This side's handshake.
pub(super) struct Attempt {
    initiator: Initiator,
    began: Instant,
}

/// The peer's handshake; there is at most one.
pub(super) struct Responding {
    responder: Responder,
    began: Instant,
    confirms: u8,
}

impl Responding {
    pub(super) fn deadline(&self) -> Instant {
        self.responder.deadline()
    }
}

/// When to go on.
#[derive(Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    failures: u32,
    /// Whether the peer's name was learnt since the last session.
    learnt: bool,
}

impl Pause {
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now);
        self.until.is_none()
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Pauses for as long as is asked, or longer with every failure.
    pub(super) fn after(&mut self, pause: Option<Duration>, now: Instant) {
        let pause = pause.unwrap_or_else(|| {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10));
            self.failures = self.failures.saturating_add(1);
            doubled.min(MAX_BACKOFF)
        });
        self.until = Some(now + pause);
    }
}

/// Borrows only what it names, so that the link's other fields stay free.
macro_rules! check {
    ($link:expr) => {
        PeerCheck { trust: $link.trust.as_ref(), expected_key: Some(&$link.key) }
    };
}

impl Link {
    /// Begins a handshake if there is need of one; returns whether it did.
    pub(super) fn seek_handshake(&mut self, now: Now) -> bool {
        if self.responder.is_some() || !(self.wanted || !self.queue.is_empty()) {
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

    /// A peer begins a handshake. If it has begun one before, it has given that one up: the
    /// connection proves that it is the same peer.
    pub(super) fn on_handshake(&mut self, exchange: ExchangeId, message: &Message, now: Now) {
        let sender = &message.content().sender_id;
        if !self.yields_to_peer() {
            let detail = "another handshake with this peer is under way";
            let report = ErrorReport::new(ErrorCode::HandshakeInProgress, detail);
            return self.refuse(exchange, Some(sender), &report, now);
        }
        let me = &self.config.identity;
        let check = check!(self);
        match Responder::accept(me, message, check, &mut self.nonces, now, &mut self.rng) {
            Ok((responder, ack)) => {
                if matches!(self.under_way, Some((_, Sent::Handshake(_)))) {
                    self.under_way = None;
                }
                self.name = sender.clone();
                self.responder = Some(Responding { responder, began: now.instant, confirms: 0 });
                self.answer(exchange, Some(&ack));
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                let report = ErrorReport::new(code, detail.as_str());
                self.refuse(exchange, Some(sender), &report, now);
                self.events.push_back(EventKind::HandshakeFailed { code, detail, fatal: false });
            }
        }
    }

    /// Whether a handshake that the peer begins now may go on. Of two that begin at once the smaller
    /// key stays initiator.
    fn yields_to_peer(&self) -> bool {
        match &self.under_way {
            Some((_, Sent::Handshake(_))) => *self.config.identity.public_key() > self.key,
            Some((_, Sent::Confirm)) => self.session.as_ref().is_none_or(|live| live.ready),
            Some((_, Sent::Message { .. })) | None => true,
        }
    }

    /// The peer ends its handshake.
    pub(super) fn on_confirm(&mut self, exchange: ExchangeId, message: &Message, now: Now) {
        let sender = &message.content().sender_id;
        let Some(responding) = &mut self.responder else {
            let detail = "no handshake is under way that this handshake_confirm belongs to";
            let report = ErrorReport::new(ErrorCode::InvalidState, detail);
            return self.refuse(exchange, Some(sender), &report, now);
        };
        responding.confirms += 1;
        let last = responding.confirms >= MAX_CONFIRMS;
        match responding.responder.handle_confirm(message, self.trust.as_ref(), now) {
            Ok(session) => {
                let began = responding.began;
                self.responder = None;
                self.install(session, false, began);
                self.announce(now);
                self.answer(exchange, None);
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                let report = ErrorReport::new(code, detail.as_str());
                self.refuse(exchange, Some(sender), &report, now);
                if last {
                    self.responder = None;
                }
                self.events.push_back(EventKind::HandshakeFailed { code, detail, fatal: false });
            }
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
        match initiator.handle_ack(&answer, check!(self), now, &mut self.rng) {
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
                if let Err(report) = self.take_in(&answer, now) {
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

    fn install(&mut self, session: Session, initiator: bool, began: Instant) {
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
    fn give_up(
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
