//! One handshake of either kind and either role, driven by whatever arrives.

use std::fmt;

use super::six_step::{self, AwaitChallengeResponse, AwaitInitAck, AwaitReady};
use super::six_step::{AwaitSessionConfirm, AwaitSessionEstablished};
use super::state::{Phase, SessionState, Step, ThreeWayState, ThreeWayTransition, Transition};
use super::three_way::{self, AwaitAck, AwaitConfirm};
use super::{Context, Expected, HandshakeError, HandshakeKind, Role};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::SessionId;
use crate::session::Session;
use crate::time::Instant;

/// What handling a message brought.
#[derive(Debug, Default)]
pub struct Progress {
    /// The next message to send.
    pub reply: Option<Vec<u8>>,
    /// The session, once the handshake is complete.
    pub session: Option<Session>,
    /// The steps completed, with the state after each.
    pub steps: Vec<(EnvelopeKind, Phase)>,
}

enum Stage {
    AwaitInitAck(AwaitInitAck),
    AwaitSessionEstablished(AwaitSessionEstablished),
    AwaitReady(AwaitReady),
    AwaitChallengeResponse(AwaitChallengeResponse),
    AwaitSessionConfirm(AwaitSessionConfirm),
    AwaitAck(AwaitAck),
    AwaitConfirm(AwaitConfirm),
    Done,
}

/// A handshake in progress.
pub struct Handshake {
    role: Role,
    phase: Phase,
    started: Instant,
    stage: Stage,
}

impl Handshake {
    /// Begins a handshake; returns the first message to send.
    ///
    /// # Errors
    /// [`HandshakeError::Parameter`] if it is not known whom to address.
    pub fn start(
        kind: HandshakeKind,
        expected: Expected,
        cx: &mut Context<'_>,
    ) -> Result<(Self, Progress), HandshakeError> {
        let (stage, phase, message, step) = match kind {
            HandshakeKind::SixStep => {
                let (next, e1) = six_step::start(expected, cx)?;
                let phase = Phase::SixStep(SessionState::Initial);
                (Stage::AwaitInitAck(next), phase, e1, EnvelopeKind::HandshakeInit)
            }
            HandshakeKind::ThreeWay => {
                let (next, e1) = three_way::start(expected, cx)?;
                let phase = Phase::ThreeWay(ThreeWayState::Init);
                (Stage::AwaitAck(next), phase, e1, EnvelopeKind::Handshake)
            }
        };
        let mut handshake =
            Self { role: Role::Initiator, phase, started: cx.now.instant, stage: Stage::Done };
        let mut progress = Progress { reply: Some(message), ..Progress::default() };
        handshake.advance(&[step], &mut progress)?;
        handshake.stage = stage;
        Ok((handshake, progress))
    }

    /// Handles the first message of a handshake that a peer begins.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed.
    pub fn accept(
        envelope: &Envelope,
        expected: &Expected,
        cx: &mut Context<'_>,
    ) -> Result<(Self, Progress), HandshakeError> {
        let kind = envelope.header().kind;
        let (stage, phase, message, steps) = match kind {
            EnvelopeKind::HandshakeInit => {
                let (next, e2) = six_step::accept(envelope, expected, cx)?;
                let phase = Phase::SixStep(SessionState::Initial);
                let steps = [kind, EnvelopeKind::HandshakeInitAck];
                (Stage::AwaitChallengeResponse(next), phase, e2, steps)
            }
            EnvelopeKind::Handshake => {
                let (next, e2) = three_way::accept(envelope, expected, cx)?;
                let phase = Phase::ThreeWay(ThreeWayState::Init);
                (Stage::AwaitConfirm(next), phase, e2, [kind, EnvelopeKind::HandshakeAck])
            }
            EnvelopeKind::HandshakeInitAck
            | EnvelopeKind::ChallengeResponse
            | EnvelopeKind::SessionEstablished
            | EnvelopeKind::SessionConfirm
            | EnvelopeKind::Ready
            | EnvelopeKind::HandshakeAck
            | EnvelopeKind::HandshakeConfirm
            | EnvelopeKind::Sealed
            | EnvelopeKind::Error => {
                SessionState::Initial.after(transition(kind)?)?;
                let phase = Phase::SixStep(SessionState::Initial);
                return Err(HandshakeError::Unexpected { kind, phase });
            }
        };
        let mut handshake =
            Self { role: Role::Responder, phase, started: cx.now.instant, stage: Stage::Done };
        let mut progress = Progress { reply: Some(message), ..Progress::default() };
        handshake.advance(&steps, &mut progress)?;
        handshake.stage = stage;
        Ok((handshake, progress))
    }

    /// Handles the next message of this handshake.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; the handshake stands where it stood.
    pub fn handle(
        &mut self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Progress, HandshakeError> {
        use EnvelopeKind as K;
        let kind = envelope.header().kind;
        let mut progress = Progress::default();
        let mut sent = None;
        let stage = match (&self.stage, kind) {
            (Stage::AwaitInitAck(state), K::HandshakeInitAck) => {
                let (next, e3) = state.handle(envelope, cx)?;
                sent = Some((e3, K::ChallengeResponse));
                Stage::AwaitSessionEstablished(next)
            }
            (Stage::AwaitSessionEstablished(state), K::SessionEstablished) => {
                let (next, e5) = state.handle(envelope, cx)?;
                sent = Some((e5, K::SessionConfirm));
                Stage::AwaitReady(next)
            }
            (Stage::AwaitReady(state), K::Ready) => {
                progress.session = Some(state.handle(envelope, cx)?);
                Stage::Done
            }
            (Stage::AwaitChallengeResponse(state), K::ChallengeResponse) => {
                let (next, e4) = state.handle(envelope, cx)?;
                sent = Some((e4, K::SessionEstablished));
                Stage::AwaitSessionConfirm(next)
            }
            (Stage::AwaitSessionConfirm(state), K::SessionConfirm) => {
                let (session, e6) = state.handle(envelope, cx)?;
                progress.session = Some(session);
                sent = Some((e6, K::Ready));
                Stage::Done
            }
            (Stage::AwaitAck(state), K::HandshakeAck) => {
                let (session, e3) = state.handle(envelope, cx)?;
                progress.session = Some(session);
                sent = Some((e3, K::HandshakeConfirm));
                Stage::Done
            }
            (Stage::AwaitConfirm(state), K::HandshakeConfirm) => {
                progress.session = Some(state.handle(envelope, cx)?);
                Stage::Done
            }
            _ => return Err(self.unexpected(kind)),
        };
        let mut steps = vec![kind];
        if let Some((message, kind)) = sent {
            progress.reply = Some(message);
            steps.push(kind);
        }
        self.advance(&steps, &mut progress)?;
        self.stage = stage;
        Ok(progress)
    }

    /// Which side this entity is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Which handshake it is.
    #[must_use]
    pub const fn kind(&self) -> HandshakeKind {
        match self.phase {
            Phase::SixStep(_) => HandshakeKind::SixStep,
            Phase::ThreeWay(_) => HandshakeKind::ThreeWay,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// When it began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Whether this side has sent its first message and heard nothing yet.
    #[must_use]
    pub const fn is_just_sent(&self) -> bool {
        matches!(self.stage, Stage::AwaitInitAck(_) | Stage::AwaitAck(_))
    }

    /// The session that is being opened, once it has an id.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match &self.stage {
            Stage::AwaitReady(state) => Some(state.session_id()),
            Stage::AwaitSessionConfirm(state) => Some(state.session_id()),
            Stage::AwaitConfirm(state) => Some(state.session_id()),
            Stage::AwaitInitAck(_)
            | Stage::AwaitSessionEstablished(_)
            | Stage::AwaitChallengeResponse(_)
            | Stage::AwaitAck(_)
            | Stage::Done => None,
        }
    }

    /// The state in which it ends if it fails (`expired`: because time ran out).
    #[must_use]
    pub fn end(&self, expired: bool) -> Phase {
        match self.phase {
            Phase::SixStep(state) => {
                let end = if expired { Transition::Expire } else { Transition::Fail };
                Phase::SixStep(state.after(end).unwrap_or(SessionState::Error))
            }
            Phase::ThreeWay(_) => Phase::ThreeWay(ThreeWayState::Closed),
        }
    }

    /// Walks the state table for messages received and sent.
    fn advance(
        &mut self,
        kinds: &[EnvelopeKind],
        progress: &mut Progress,
    ) -> Result<(), HandshakeError> {
        let mut phase = self.phase;
        for kind in kinds {
            phase = match phase {
                Phase::SixStep(state) => Phase::SixStep(state.after(transition(*kind)?)?),
                Phase::ThreeWay(state) => {
                    Phase::ThreeWay(three_way_after(state, *kind, self.role)?)
                }
            };
            progress.steps.push((*kind, phase));
        }
        self.phase = phase;
        Ok(())
    }

    fn unexpected(&self, kind: EnvelopeKind) -> HandshakeError {
        let unexpected = HandshakeError::Unexpected { kind, phase: self.phase };
        match (self.phase, transition(kind)) {
            (Phase::SixStep(state), Ok(transition)) => {
                state.after(transition).err().map_or(unexpected, Into::into)
            }
            _ => unexpected,
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("role", &self.role)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

fn transition(kind: EnvelopeKind) -> Result<Transition, HandshakeError> {
    let phase = Phase::SixStep(SessionState::Initial);
    Step::of(kind).map(Transition::Step).ok_or(HandshakeError::Unexpected { kind, phase })
}

/// `handshake_ack` confirms the responder to the initiator; for the responder it is only sent.
fn three_way_after(
    state: ThreeWayState,
    kind: EnvelopeKind,
    role: Role,
) -> Result<ThreeWayState, HandshakeError> {
    Ok(match (kind, role) {
        (EnvelopeKind::Handshake, _) => state.after(ThreeWayTransition::Send)?,
        (EnvelopeKind::HandshakeAck, Role::Initiator)
        | (EnvelopeKind::HandshakeConfirm, Role::Responder) => {
            state.after(ThreeWayTransition::Confirm)?
        }
        _ => state,
    })
}
