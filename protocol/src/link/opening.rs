//! Opening sessions: who begins, what is tried again, and what both sides do when both begin.

use std::time::Duration;

use rand_core::Rng as _;

use super::event::SessionInfo;
use super::requests::Content;
use super::{Ended, Event, ExchangeId, Link, SendFailure};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::error::ErrorCode;
use crate::handshake::{
    Context, Expected, Handshake, HandshakeError, HandshakeKind, Phase, Progress, Role,
    ThreeWayState,
};
use crate::rate_limit::RateClass;
use crate::session::Session;
use crate::time::{Instant, Now};

/// A handshake's view of a link; a macro, so that the borrow leaves the other fields free.
macro_rules! context {
    ($link:expr, $now:expr) => {
        Context {
            config: &$link.config.handshake,
            trust: $link.trust.as_ref(),
            replay: &mut $link.replay,
            rng: $link.rng.as_mut(),
            now: $now,
        }
    };
}

/// Pauses between attempts.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Pause after the peer said that another handshake is under way: most likely its own, which then
/// makes this side's unnecessary; otherwise an earlier one of this side, which gets stale soon.
const YIELD: Duration = Duration::from_millis(250);
const YIELD_AGAIN: Duration = Duration::from_secs(1);

/// A handshake of the peer that it has left alone for this long does not keep it from another one.
const STALE: Duration = Duration::from_secs(2);

/// The handshake under way, and when to begin another.
#[derive(Default)]
pub(super) struct Opening {
    /// Whether the owner asked for a session.
    pub(super) wanted: bool,
    machine: Option<Handshake>,
    /// The three-way handshake yields a session before the peer has confirmed that it has one too.
    unconfirmed: Option<Session>,
    /// When a step of the peer's handshake was last answered.
    answered_at: Instant,
    attempt: u64,
    failures: u32,
    yielded: bool,
    retry_at: Option<Instant>,
    six_step_only: bool,
}

impl Opening {
    pub(super) fn phase(&self) -> Option<Phase> {
        self.machine.as_ref().map(Handshake::phase)
    }

    pub(super) const fn reset_backoff(&mut self) {
        self.failures = 0;
        self.yielded = false;
        self.retry_at = None;
    }

    /// Whether `id` is the session that is being opened.
    pub(super) fn is_opening(&self, id: crate::id::SessionId) -> bool {
        self.machine.as_ref().and_then(Handshake::session_id) == Some(id)
            || self.unconfirmed.as_ref().is_some_and(|session| session.id() == id)
    }

    fn back_off(&mut self, pause: Option<Duration>, jitter: u32, now: Instant) {
        let pause = pause.unwrap_or_else(|| {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10));
            self.failures = self.failures.saturating_add(1);
            doubled.min(MAX_BACKOFF)
        });
        // Up to half as much again, so that two sides do not stay in step.
        self.retry_at =
            Some(now + pause + pause.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0));
    }
}

impl Link {
    /// Begins a handshake if one is due.
    pub(super) fn seek_handshake(&mut self, now: Now) {
        if self.opening.machine.is_some()
            || self.opening.unconfirmed.is_some()
            || self.opening.retry_at.is_some_and(|at| at > now.instant)
            || !self.needs_session(now.instant)
        {
            return;
        }
        let kind = match self.config.preferred {
            HandshakeKind::ThreeWay if !self.opening.six_step_only => HandshakeKind::ThreeWay,
            HandshakeKind::SixStep | HandshakeKind::ThreeWay => HandshakeKind::SixStep,
        };
        self.opening.attempt += 1;
        self.opening.retry_at = None;
        let expected = Expected::key(self.peer_key);
        let mut cx = context!(self, now);
        match Handshake::start(kind, expected, &mut cx) {
            Ok((machine, progress)) => {
                self.opening.machine = Some(machine);
                self.go_on(Role::Initiator, progress, now);
            }
            Err(error) => self.handshake_failed(Role::Initiator, &error, now),
        }
    }

    /// A peer begins a handshake.
    pub(super) fn on_start(&mut self, exchange: ExchangeId, envelope: &Envelope, now: Now) {
        let profile = self.rate_profile();
        if let Err(limited) = self.limiter.take(&profile, RateClass::Handshake, now.instant) {
            return self.refuse_for_now(exchange, envelope, limited, now);
        }
        if !self.yields_to_peer(now.instant) {
            let detail = "another handshake with this peer is under way";
            let code = ErrorCode::HandshakeInProgress;
            return self.refuse(exchange, Some(envelope), code, detail, now);
        }
        let expected = Expected::key(self.peer_key);
        let mut cx = context!(self, now);
        match Handshake::accept(envelope, &expected, &mut cx) {
            Ok((machine, progress)) => {
                // Of two that begin at once the smaller key stays initiator; this side yields.
                self.opening.attempt += 1;
                self.opening.machine = Some(machine);
                self.answer_step(exchange, progress, now);
            }
            Err(error) => {
                self.refuse(exchange, Some(envelope), (&error).into(), &error.to_string(), now);
                self.report_failed_start(&error);
            }
        }
    }

    /// Whether a handshake that the peer begins now may go on: none is under way, or only one that
    /// this side has just begun and that gives way to the smaller key's, or one that the peer began
    /// and, as it begins again, has given up.
    fn yields_to_peer(&self, now: Instant) -> bool {
        let own_key = self.config.handshake.identity.public_key();
        match self.opening.machine.as_ref().map(|machine| (machine.role(), machine)) {
            Some((Role::Initiator, machine)) => machine.is_just_sent() && *own_key > self.peer_key,
            Some((Role::Responder, _)) => now.since(self.opening.answered_at) >= STALE,
            None => self.opening.unconfirmed.is_none(),
        }
    }

    /// A later step of a handshake that the peer began.
    pub(super) fn on_step(&mut self, exchange: ExchangeId, envelope: &Envelope, now: Now) {
        let Some(machine) = self.opening.machine.as_mut().filter(|m| m.role() == Role::Responder)
        else {
            let detail =
                format!("no handshake is under way that {} belongs to", envelope.header().kind);
            return self.refuse(exchange, Some(envelope), ErrorCode::InvalidState, &detail, now);
        };
        let mut cx = context!(self, now);
        match machine.handle(envelope, &mut cx) {
            Ok(progress) => self.answer_step(exchange, progress, now),
            Err(error) => {
                self.refuse(exchange, Some(envelope), (&error).into(), &error.to_string(), now);
                // What a stranger or an echo sends in between leaves the handshake as it is. Only
                // what the handshake can never recover from ends it.
                if matches!(
                    error,
                    HandshakeError::TimedOut
                        | HandshakeError::ChallengeExpired
                        | HandshakeError::Trust(_)
                ) {
                    self.handshake_failed(Role::Responder, &error, now);
                }
            }
        }
    }

    /// The answer to a step of this side's handshake.
    pub(super) fn on_step_answer(&mut self, attempt: u64, envelope: Envelope, now: Now) {
        if attempt != self.opening.attempt {
            return;
        }
        if envelope.header().kind == EnvelopeKind::Sealed {
            return self.on_confirmed(envelope, now);
        }
        let Some(machine) = &mut self.opening.machine else { return };
        let mut cx = context!(self, now);
        match machine.handle(&envelope, &mut cx) {
            Ok(progress) => self.go_on(Role::Initiator, progress, now),
            Err(error) => {
                // Only what the peer signed says anything about the peer; anything else is noise, or
                // the work of somebody in between, and the next attempt may do better.
                let fatal = is_final(&error) && envelope.verify(&self.peer_key).is_ok();
                let (code, detail) = ((&error).into(), error.to_string());
                self.give_up(Role::Initiator, code, detail, fatal, None, now);
            }
        }
    }

    /// The peer refused a step of this side's handshake.
    pub(super) fn on_step_refused(
        &mut self,
        attempt: u64,
        code: ErrorCode,
        detail: &str,
        retry_after: Option<Duration>,
        now: Now,
    ) {
        if attempt != self.opening.attempt {
            return;
        }
        self.drop_unconfirmed(code, detail, now);
        if self.opening.machine.is_none() {
            return;
        }
        let three_way = self.opening.machine.as_ref().map(Handshake::kind);
        let (pause, fatal) = match code {
            ErrorCode::InvalidState if three_way == Some(HandshakeKind::ThreeWay) => {
                self.opening.six_step_only = true;
                (Some(Duration::ZERO), false)
            }
            ErrorCode::HandshakeInProgress => {
                let again = std::mem::replace(&mut self.opening.yielded, true);
                (Some(if again { YIELD_AGAIN } else { YIELD }), false)
            }
            ErrorCode::RateLimited => (retry_after, false),
            ErrorCode::InvalidVersion
            | ErrorCode::InvalidSignature
            | ErrorCode::EncryptionRequired => (None, true),
            // A step that the carrier delivered twice, or a clock that will be set right.
            ErrorCode::ReplayDetected
            | ErrorCode::SessionExpired
            | ErrorCode::SequenceError
            | ErrorCode::DecryptionFailed
            | ErrorCode::ChallengeExpired
            | ErrorCode::ChallengeInvalid
            | ErrorCode::SessionNotFound
            | ErrorCode::EncryptionNotReady
            | ErrorCode::InvalidState
            | ErrorCode::ChunkError
            | ErrorCode::DhtError => (None, false),
        };
        self.give_up(Role::Initiator, code, detail.to_owned(), fatal, pause, now);
    }

    /// A step was sent, and nothing came back.
    pub(super) fn on_step_lost(&mut self, attempt: u64, now: Now) {
        if attempt == self.opening.attempt {
            self.abandon_handshake("the peer did not answer", now);
        }
    }

    pub(super) fn abandon_handshake(&mut self, why: &str, now: Now) {
        let code = ErrorCode::InvalidState;
        self.drop_unconfirmed(code, why, now);
        if let Some(role) = self.opening.machine.as_ref().map(Handshake::role) {
            self.give_up(role, code, why.to_owned(), false, None, now);
        }
    }

    /// Forgets the session of a three-way handshake whose last message came to nothing.
    fn drop_unconfirmed(&mut self, code: ErrorCode, detail: &str, now: Now) {
        if self.opening.unconfirmed.take().is_none() {
            return;
        }
        let jitter = self.rng.next_u32();
        self.opening.back_off(None, jitter, now.instant);
        self.events.push_back(Event::HandshakeFailed {
            role: Role::Initiator,
            phase: Phase::ThreeWay(ThreeWayState::Closed),
            code,
            detail: detail.to_owned(),
            fatal: false,
        });
    }

    pub(super) fn tick_handshake(&mut self, now: Now) {
        let timeout = self.config.handshake.timeout;
        let over = |started: Instant| now.instant.since(started) > timeout;
        if self.opening.unconfirmed.as_ref().is_some_and(|session| over(session.established())) {
            let error = HandshakeError::TimedOut;
            self.drop_unconfirmed((&error).into(), &error.to_string(), now);
        }
        let Some(machine) = &self.opening.machine else { return };
        if over(machine.started()) {
            let role = machine.role();
            self.handshake_failed(role, &HandshakeError::TimedOut, now);
        }
    }

    pub(super) fn next_handshake_tick(&self, now: Instant) -> Option<Instant> {
        let limit = self.config.handshake.timeout + Duration::from_millis(1);
        let machine = self.opening.machine.as_ref().map(Handshake::started);
        let unconfirmed = self.opening.unconfirmed.as_ref().map(Session::established);
        let handshake = match machine.or(unconfirmed) {
            Some(started) => Some(started + limit),
            None => self.next_start(now).filter(|_| self.connected),
        };
        [handshake, self.sessions.sendable_at(now)].into_iter().flatten().min()
    }

    /// When to begin a handshake, while none is under way.
    fn next_start(&self, now: Instant) -> Option<Instant> {
        let renewal = self.sessions.newest().map(Session::renew_at);
        let due = if self.needs_session(now) { Some(now) } else { renewal };
        due.map(|at| self.opening.retry_at.map_or(at, |retry| retry.max(at)))
    }

    /// Whether a handshake should be under way: none of the sessions will do for what is wanted.
    fn needs_session(&self, now: Instant) -> bool {
        match self.sessions.newest() {
            Some(session) if session.can_send(now) => session.wants_renewal(now),
            Some(_) => true,
            None => self.opening.wanted || !self.outbox.is_empty(),
        }
    }

    /// Sends the next step of this side's handshake, or takes its session into use.
    fn go_on(&mut self, role: Role, progress: Progress, now: Now) {
        self.report_steps(role, &progress);
        if let Some(step) = progress.reply {
            let attempt = self.opening.attempt;
            self.request(step, Content::Step { attempt }, now.instant);
            self.opening.unconfirmed = progress.session;
            if self.opening.unconfirmed.is_some() {
                self.opening.machine = None;
            }
        } else if let Some(session) = progress.session {
            self.install(session, now);
        }
    }

    /// Answers a step of the peer's handshake.
    fn answer_step(&mut self, exchange: ExchangeId, progress: Progress, now: Now) {
        self.report_steps(Role::Responder, &progress);
        self.opening.answered_at = now.instant;
        let id = progress.session.as_ref().map(Session::id);
        if let Some(session) = progress.session {
            self.install(session, now);
        }
        match (progress.reply, id) {
            (Some(step), _) => self.answer(exchange, step),
            (None, Some(id)) => self.answer_sealed(exchange, id, Vec::new(), now),
            (None, None) => self.drop_exchange(exchange),
        }
        self.flush(now);
    }

    /// The peer's first record in a session of the three-way handshake.
    fn on_confirmed(&mut self, envelope: Envelope, now: Now) {
        let Some(session) = &mut self.opening.unconfirmed else { return };
        let opened = session
            .open(envelope, &self.config.handshake.identity, now)
            .and_then(|record| session.accept(record, now));
        match opened {
            Ok(opened) => {
                let Some(session) = self.opening.unconfirmed.take() else { return };
                let id = session.id();
                self.install(session, now);
                let closed = self.take_in_answer(opened.messages, now);
                self.end_if_closed(id, closed);
            }
            Err(error) => self.drop_unconfirmed((&error).into(), &error.to_string(), now),
        }
    }

    fn install(&mut self, session: Session, now: Now) {
        self.opening.machine = None;
        self.opening.unconfirmed = None;
        self.opening.wanted = false;
        self.opening.reset_backoff();
        self.peer_entity = Some(session.peer().entity.clone());
        self.events.push_back(Event::SessionReady(SessionInfo {
            id: session.id(),
            peer: session.peer().entity.clone(),
            role: session.role(),
            handshake: session.handshake(),
            suite: session.suite(),
            took: session.handshake_took(),
            expires: session.expires(),
        }));
        if let Some(id) = self.sessions.install(session, now.instant) {
            self.events.push_back(Event::SessionEnded { id, why: Ended::Expired });
        }
    }

    pub(super) fn session_lost(&mut self, id: crate::id::SessionId, why: Ended) {
        if self.sessions.remove(id) {
            self.events.push_back(Event::SessionEnded { id, why });
        }
    }

    fn report_steps(&mut self, role: Role, progress: &Progress) {
        for (kind, phase) in &progress.steps {
            self.events.push_back(Event::Step { role, kind: *kind, phase: *phase });
        }
    }

    /// A handshake that the peer began failed at its first message: there never was a state.
    fn report_failed_start(&mut self, error: &HandshakeError) {
        self.events.push_back(Event::HandshakeFailed {
            role: Role::Responder,
            phase: Phase::SixStep(crate::handshake::SessionState::Error),
            code: error.into(),
            detail: error.to_string(),
            fatal: false,
        });
    }

    fn handshake_failed(&mut self, role: Role, error: &HandshakeError, now: Now) {
        self.give_up(role, error.into(), error.to_string(), false, None, now);
    }

    /// Ends the handshake under way. After a fatal failure nothing that waits can be sent either.
    fn give_up(
        &mut self,
        role: Role,
        code: ErrorCode,
        detail: String,
        fatal: bool,
        pause: Option<Duration>,
        now: Now,
    ) {
        let Some(machine) = self.opening.machine.take() else { return };
        let phase = machine.end(code == ErrorCode::SessionExpired);
        let jitter = self.rng.next_u32();
        self.opening.back_off(pause, jitter, now.instant);
        if fatal {
            self.opening.wanted = false;
            let usable =
                self.sessions.newest().is_some_and(|session| session.can_send(now.instant));
            if !usable {
                for id in self.outbox.drain() {
                    let why = SendFailure::Refused { code, detail: detail.clone() };
                    self.events.push_back(Event::Failed { id, why });
                }
            }
        }
        self.events.push_back(Event::HandshakeFailed { role, phase, code, detail, fatal });
    }
}

/// Whether a new attempt would meet with the same error: it is about who the peer is, what it speaks,
/// or this side's trust rules, not about what got lost or mixed up on the way.
const fn is_final(error: &HandshakeError) -> bool {
    use HandshakeError as E;
    match error {
        E::ThreeWayDisabled
        | E::Address { .. }
        | E::Body(_)
        | E::Parameter { .. }
        | E::Key(_)
        | E::KeyMismatch { .. }
        | E::OwnKey
        | E::Trust(_)
        | E::LowOrder(_)
        | E::NoCommon { .. }
        | E::NotOffered { .. }
        | E::Confirmation
        | E::FirstRecord(_) => true,
        E::State(_)
        | E::ThreeWayState(_)
        | E::Unexpected { .. }
        | E::TimedOut
        | E::Replay(_)
        | E::Sequence { .. }
        | E::Session { .. }
        | E::Signature(_)
        | E::Transcript
        | E::ChallengeExpired
        | E::ChallengeInvalid => false,
    }
}
