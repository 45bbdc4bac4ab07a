//! Handshakes that come to nothing: what is tried again, and what is not.

use std::time::Duration;

use rand_core::Rng as _;

use super::{Event, Link, SendFailure};
use crate::error::ErrorCode;
use crate::handshake::{Handshake, HandshakeError, HandshakeKind, Phase, Role, ThreeWayState};
use crate::time::{Instant, Now};

/// Pause after the peer said that another handshake is under way: most likely its own, which then
/// makes this side's unnecessary; otherwise an earlier one of this side, which gets stale soon.
const YIELD: Duration = Duration::from_millis(250);
const YIELD_AGAIN: Duration = Duration::from_secs(1);

/// Pause after a failure that will most likely be the same next time.
const AFTER_FATAL: Duration = Duration::from_secs(60);

impl Link {
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
        if let (ErrorCode::RateLimited, Some(pause)) = (code, retry_after) {
            self.opening.refuse_until(now.instant + pause);
        }
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
    pub(super) fn drop_unconfirmed(&mut self, code: ErrorCode, detail: &str, now: Now) {
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

    pub(super) fn handshake_failed(&mut self, role: Role, error: &HandshakeError, now: Now) {
        self.give_up(role, error.into(), error.to_string(), false, None, now);
    }

    /// Ends the handshake under way. After a fatal failure nothing that waits can be sent either.
    pub(super) fn give_up(
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
        // Ordered messages outlive that: it is tried again, but not soon.
        let patient = fatal && self.lane.wants_to_send();
        let pause = if patient { Some(AFTER_FATAL) } else { pause };
        self.opening.patient = patient;
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
pub(super) const fn is_final(error: &HandshakeError) -> bool {
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
