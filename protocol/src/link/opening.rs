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
/// Pause after the peer said that it has begun a handshake itself.
const YIELD: Duration = Duration::from_millis(250);

/// The handshake under way, and when to begin another.
#[derive(Default)]
pub(super) struct Opening {
    /// Whether the owner asked for a session.
    pub(super) wanted: bool,
    machine: Option<Handshake>,
    /// The three-way handshake yields a session before the peer has confirmed that it has one too.
    unconfirmed: Option<Session>,
    attempt: u64,
    failures: u32,
    retry_at: Option<Instant>,
    six_step_only: bool,
}

impl Opening {
    pub(super) fn phase(&self) -> Option<Phase> {
        self.machine.as_ref().map(Handshake::phase)
    }

    pub(super) const fn reset_backoff(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    /// Whether `id` is the session that is being opened.
    pub(super) fn is_opening(&self, id: crate::id::SessionId) -> bool {
        self.machine.as_ref().and_then(Handshake::session_id) == Some(id)
            || self.unconfirmed.as_ref().is_some_and(|session| session.id() == id)
    }

    fn back_off(&mut self, pause: Option<Duration>, jitter: u32, now: Instant) {
        let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10)).min(MAX_BACKOFF);
        self.failures = self.failures.saturating_add(1);
        let pause = pause.unwrap_or(doubled);
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
            _ => HandshakeKind::SixStep,
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
        if let Some(machine) = &self.opening.machine {
            let own_key = self.config.handshake.identity.public_key();
            let yields = machine.role() == Role::Initiator
                && machine.is_just_sent()
                && *own_key > self.peer_key;
            if !yields {
                let detail = "another handshake with this peer is under way";
                let code = ErrorCode::HandshakeInProgress;
                return self.refuse(exchange, Some(envelope), code, detail, now);
            }
        }
        let expected = Expected::key(self.peer_key);
        let mut cx = context!(self, now);
        match Handshake::accept(envelope, &expected, &mut cx) {
            Ok((machine, progress)) => {
                // Of two that begin at once the smaller key stays initiator; this side yields.
                self.opening.attempt += 1;
                self.opening.unconfirmed = None;
                self.opening.machine = Some(machine);
                self.answer_step(exchange, progress, now);
            }
            Err(error) => {
                self.refuse(exchange, Some(envelope), (&error).into(), &error.to_string(), now);
                self.report_failed_start(&error);
            }
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
            Err(error) => self.handshake_failed(Role::Initiator, &error, now),
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
        if attempt != self.opening.attempt || self.opening.machine.is_none() {
            return;
        }
        let three_way = self.opening.machine.as_ref().map(Handshake::kind);
        let (pause, fatal) = match code {
            ErrorCode::InvalidState if three_way == Some(HandshakeKind::ThreeWay) => {
                self.opening.six_step_only = true;
                (Some(Duration::ZERO), false)
            }
            ErrorCode::HandshakeInProgress => (Some(YIELD), false),
            ErrorCode::RateLimited => (retry_after, false),
            ErrorCode::InvalidVersion
            | ErrorCode::InvalidSignature
            | ErrorCode::ReplayDetected
            | ErrorCode::EncryptionRequired => (None, true),
            ErrorCode::SessionExpired
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
        if self.opening.unconfirmed.take().is_some() {
            self.opening.back_off(None, 0, now.instant);
        }
        if let Some(role) = self.opening.machine.as_ref().map(Handshake::role) {
            let code = ErrorCode::InvalidState;
            self.give_up(role, code, why.to_owned(), false, None, now);
        }
    }

    pub(super) fn tick_handshake(&mut self, now: Now) {
        let over = |started: Instant| now.instant.since(started) > self.config.handshake.timeout;
        if self.opening.unconfirmed.as_ref().is_some_and(|session| over(session.established())) {
            self.opening.unconfirmed = None;
        }
        let Some(machine) = &self.opening.machine else { return };
        if over(machine.started()) {
            let role = machine.role();
            self.handshake_failed(role, &HandshakeError::TimedOut, now);
        }
    }

    pub(super) fn next_handshake_tick(&self, now: Instant) -> Option<Instant> {
        let limit = self.config.handshake.timeout + Duration::from_millis(1);
        if let Some(machine) = &self.opening.machine {
            return Some(machine.started() + limit);
        }
        if let Some(session) = &self.opening.unconfirmed {
            return Some(session.established() + limit);
        }
        let renewal = self.sessions.newest().map(Session::renew_at);
        let due = if self.needs_session(now) { Some(now) } else { renewal };
        let usable = self.sessions.sendable_at(now);
        let due = due.map(|at| self.opening.retry_at.map_or(at, |retry| retry.max(at)));
        [due.filter(|_| self.connected), usable].into_iter().flatten().min()
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
        let Some(mut session) = self.opening.unconfirmed.take() else { return };
        let opened = session
            .open(envelope, &self.config.handshake.identity, now)
            .and_then(|record| session.accept(record, now));
        if opened.is_ok() {
            self.install(session, now);
        } else {
            self.opening.back_off(None, 0, now.instant);
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
        self.sessions.install(session, now.instant);
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
        let fatal = role == Role::Initiator
            && !matches!(error, HandshakeError::TimedOut | HandshakeError::Replay(_));
        self.give_up(role, error.into(), error.to_string(), fatal, None, now);
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
