//! Opening sessions: when this side begins a handshake, and what it does with the answers.

use std::time::Duration;

use super::event::SessionInfo;
use super::giving_up::is_final;
use super::requests::Content;
use super::{Ended, Event, Link};
use crate::envelope::{self, Envelope, EnvelopeKind};
use crate::handshake::{Expected, Handshake, HandshakeKind, Phase, Progress, Role};
use crate::limits::MAX_RETRY_AFTER;
use crate::session::Session;
use crate::time::{Instant, Now};

/// Pauses between attempts.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// The handshake under way, and when to begin another.
#[derive(Default)]
pub(super) struct Opening {
    /// Whether the owner asked for a session.
    pub(super) wanted: bool,
    /// When it last did.
    pub(super) wished: Instant,
    pub(super) machine: Option<Handshake>,
    /// The three-way handshake yields a session before the peer has confirmed that it has one too.
    pub(super) unconfirmed: Option<Session>,
    /// When a step of the peer's handshake was last answered.
    pub(super) answered_at: Instant,
    pub(super) attempt: u64,
    failures: u32,
    pub(super) yielded: bool,
    /// Whether the pause is only for what can wait.
    pub(super) patient: bool,
    /// When this side's own back-off ends.
    retry_at: Option<Instant>,
    /// When the peer said that it takes handshakes again. A new connection makes no difference to it.
    refused_until: Option<Instant>,
    pub(super) six_step_only: bool,
    /// How far the peer's clock was ahead when it last sent a step, in milliseconds.
    clock_ahead_ms: i64,
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

    /// Somebody asks for a session now.
    pub(super) const fn hurry(&mut self) {
        if self.patient {
            (self.patient, self.retry_at) = (false, None);
        }
    }

    /// A step of the peer's was verified.
    pub(super) fn note_clock(&mut self, step: &Envelope, now: Now) {
        let [theirs, ours] = [step.header().timestamp, now.timestamp]
            .map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.clock_ahead_ms = theirs.saturating_sub(ours);
    }

    /// The peer takes no handshake before `at`.
    pub(super) fn refuse_until(&mut self, at: Instant) {
        self.refused_until = self.refused_until.max(Some(at));
    }

    /// When a handshake may begin; `None` for at once.
    fn may_start(&self) -> Option<Instant> {
        self.retry_at.max(self.refused_until)
    }

    /// Whether `id` is the session that is being opened.
    pub(super) fn is_opening(&self, id: crate::id::SessionId) -> bool {
        self.machine.as_ref().and_then(Handshake::session_id) == Some(id)
            || self.unconfirmed.as_ref().is_some_and(|session| session.id() == id)
    }

    pub(super) fn back_off(&mut self, pause: Option<Duration>, jitter: u32, now: Instant) {
        let pause = pause.unwrap_or_else(|| {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10));
            self.failures = self.failures.saturating_add(1);
            doubled.min(MAX_BACKOFF)
        });
        // Up to half as much again, so that two sides do not stay in step.
        let jitter = pause.mul_f64(f64::from(jitter) / f64::from(u32::MAX) / 2.0);
        self.retry_at = Some(now + (pause + jitter).min(MAX_RETRY_AFTER));
    }
}

impl Link {
    /// Begins a handshake if one is due.
    pub(super) fn seek_handshake(&mut self, now: Now) {
        if self.opening.machine.is_some()
            || self.opening.unconfirmed.is_some()
            || self.opening.may_start().is_some_and(|at| at > now.instant)
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
            Ok(progress) => {
                self.opening.note_clock(&envelope, now);
                self.go_on(Role::Initiator, progress, now);
            }
            Err(error) => {
                // Only what the peer signed says anything about the peer; anything else is noise, or
                // the work of somebody in between, and the next attempt may do better.
                let fatal = is_final(&error) && envelope.verify(&self.peer_key).is_ok();
                let (code, detail) = ((&error).into(), error.to_string());
                self.give_up(Role::Initiator, code, detail, fatal, None, now);
            }
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
        // Also if that time has come, and nothing was sent since.
        [handshake, self.sessions.sendable_at(self.flushed)].into_iter().flatten().min()
    }

    /// When to begin a handshake, while none is under way.
    fn next_start(&self, now: Instant) -> Option<Instant> {
        let renewal = self.sessions.newest().map(Session::renew_at);
        let due = if self.needs_session(now) { Some(now) } else { renewal };
        due.map(|at| self.opening.may_start().map_or(at, |start| start.max(at)))
    }

    /// Whether a handshake should be under way: none of the sessions will do for what is wanted.
    fn needs_session(&self, now: Instant) -> bool {
        match self.sessions.newest() {
            Some(session) if session.can_send(now) => session.wants_renewal(now),
            Some(_) => true,
            None => self.opening.wanted || self.has_something_to_send() || self.owed.has_taken(),
        }
    }

    /// Sends the next step of this side's handshake, or takes its session into use.
    fn go_on(&mut self, role: Role, progress: Progress, now: Now) {
        self.report_steps(role, &progress);
        if let Some(step) = progress.reply {
            let attempt = self.opening.attempt;
            let nonce = envelope::nonce_of(&step);
            self.request(step, Content::Step { attempt, nonce }, now.instant);
            self.opening.unconfirmed = progress.session;
            if self.opening.unconfirmed.is_some() {
                self.opening.machine = None;
            }
        } else if let Some(session) = progress.session {
            self.install(session, now);
        }
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
                let closed = self.take_in_answer(opened.messages, None, now);
                self.end_if_closed(id, closed);
            }
            Err(error) => self.drop_unconfirmed((&error).into(), &error.to_string(), now),
        }
    }

    pub(super) fn install(&mut self, session: Session, now: Now) {
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
            features: session.features().to_vec(),
            took: session.handshake_took(),
            expires: session.expires(),
            clock_ahead_ms: self.opening.clock_ahead_ms,
        }));
        if let Some(id) = self.sessions.install(session, now.instant) {
            self.events.push_back(Event::SessionEnded { id, why: Ended::Expired });
        }
    }

    pub(super) fn session_lost(&mut self, id: crate::id::SessionId, why: Ended) {
        if self.sessions.remove(id) {
            self.lane.session_lost(id);
            self.events.push_back(Event::SessionEnded { id, why });
        }
    }

    pub(super) fn report_steps(&mut self, role: Role, progress: &Progress) {
        for (kind, phase) in &progress.steps {
            self.events.push_back(Event::Step { role, kind: *kind, phase: *phase });
        }
    }
}
