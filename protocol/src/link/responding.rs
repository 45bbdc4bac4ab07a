//! The side that answers a handshake which the peer begins.

use std::time::Duration;

use super::{Event, ExchangeId, Link};
use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::handshake::{Expected, Handshake, HandshakeError, Phase, Progress, Role, SessionState};
use crate::rate_limit::RateClass;
use crate::session::Session;
use crate::time::{Instant, Now};

/// A handshake of the peer that it has left alone for this long does not keep it from another one.
const STALE: Duration = Duration::from_secs(2);

impl Link {
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
                self.opening.note_clock(envelope, now);
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
            Ok(progress) => {
                self.opening.note_clock(envelope, now);
                self.answer_step(exchange, progress, now);
            }
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

    /// A handshake that the peer began failed at its first message: there never was a state.
    fn report_failed_start(&mut self, error: &HandshakeError) {
        self.events.push_back(Event::HandshakeFailed {
            role: Role::Responder,
            phase: Phase::SixStep(SessionState::Error),
            code: error.into(),
            detail: error.to_string(),
            fatal: false,
        });
    }
}
