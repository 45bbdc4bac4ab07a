//! The states that people see, and the only transitions there are (`docs/PROTOCOL.md` §3.3, §4.3).

use std::fmt;

use thiserror::Error;

use crate::envelope::EnvelopeKind;

/// A step of the six-step handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Step 1, from the initiator.
    HandshakeInit = 1,
    /// Step 2, from the responder.
    HandshakeInitAck,
    /// Step 3, from the initiator.
    ChallengeResponse,
    /// Step 4, from the responder.
    SessionEstablished,
    /// Step 5, from the initiator.
    SessionConfirm,
    /// Step 6, from the responder.
    Ready,
}

impl Step {
    /// All six, in order.
    pub const ALL: [Self; 6] = [
        Self::HandshakeInit,
        Self::HandshakeInitAck,
        Self::ChallengeResponse,
        Self::SessionEstablished,
        Self::SessionConfirm,
        Self::Ready,
    ];

    /// 1 to 6.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The envelope that carries it.
    #[must_use]
    pub const fn kind(self) -> EnvelopeKind {
        match self {
            Self::HandshakeInit => EnvelopeKind::HandshakeInit,
            Self::HandshakeInitAck => EnvelopeKind::HandshakeInitAck,
            Self::ChallengeResponse => EnvelopeKind::ChallengeResponse,
            Self::SessionEstablished => EnvelopeKind::SessionEstablished,
            Self::SessionConfirm => EnvelopeKind::SessionConfirm,
            Self::Ready => EnvelopeKind::Ready,
        }
    }

    /// The step that an envelope of `kind` carries.
    #[must_use]
    pub fn of(kind: EnvelopeKind) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.kind() == kind)
    }
}

/// Where a session stands, the same for both sides: each name says which step is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// No session exists.
    #[default]
    Initial,
    /// Step 1 is complete.
    HandshakeInitSent,
    /// Step 2 is complete.
    HandshakeAckReceived,
    /// Step 3 is complete.
    ChallengeSent,
    /// Step 4 is complete.
    SessionEstablished,
    /// Step 5 is complete.
    SessionConfirmed,
    /// Step 6 is complete: encryption is active.
    Ready,
    /// The handshake or the session failed.
    Error,
    /// The handshake took too long, or the session's life is over.
    Expired,
}

/// What moves a session from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A step is complete.
    Step(Step),
    /// Something failed for good.
    Fail,
    /// Time ran out.
    Expire,
}

/// A transition that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no {transition:?} from {state}")]
pub struct InvalidState {
    /// The state.
    pub state: SessionState,
    /// The transition.
    pub transition: Transition,
}

impl SessionState {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Initial,
        Self::HandshakeInitSent,
        Self::HandshakeAckReceived,
        Self::ChallengeSent,
        Self::SessionEstablished,
        Self::SessionConfirmed,
        Self::Ready,
        Self::Error,
        Self::Expired,
    ];

    /// The state after `transition`.
    ///
    /// # Errors
    /// [`InvalidState`] if there is no such transition. `ERROR` and `EXPIRED` are final: what
    /// follows is a new session.
    pub const fn after(self, transition: Transition) -> Result<Self, InvalidState> {
        use SessionState as S;
        Ok(match (self, transition) {
            (S::Initial, Transition::Step(Step::HandshakeInit)) => S::HandshakeInitSent,
            (S::HandshakeInitSent, Transition::Step(Step::HandshakeInitAck)) => {
                S::HandshakeAckReceived
            }
            (S::HandshakeAckReceived, Transition::Step(Step::ChallengeResponse)) => {
                S::ChallengeSent
            }
            (S::ChallengeSent, Transition::Step(Step::SessionEstablished)) => S::SessionEstablished,
            (S::SessionEstablished, Transition::Step(Step::SessionConfirm)) => S::SessionConfirmed,
            (S::SessionConfirmed, Transition::Step(Step::Ready)) => S::Ready,
            (
                S::HandshakeInitSent
                | S::HandshakeAckReceived
                | S::ChallengeSent
                | S::SessionEstablished
                | S::SessionConfirmed
                | S::Ready,
                Transition::Fail,
            ) => S::Error,
            (
                S::HandshakeInitSent
                | S::HandshakeAckReceived
                | S::ChallengeSent
                | S::SessionEstablished
                | S::SessionConfirmed
                | S::Ready,
                Transition::Expire,
            ) => S::Expired,
            (state, transition) => return Err(InvalidState { state, transition }),
        })
    }

    /// The name as people see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::HandshakeInitSent => "HANDSHAKE_INIT_SENT",
            Self::HandshakeAckReceived => "HANDSHAKE_ACK_RECEIVED",
            Self::ChallengeSent => "CHALLENGE_SENT",
            Self::SessionEstablished => "SESSION_ESTABLISHED",
            Self::SessionConfirmed => "SESSION_CONFIRMED",
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Expired => "EXPIRED",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a session of the three-way handshake stands: the seeds' short list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ThreeWayState {
    /// No session exists.
    #[default]
    Init,
    /// `handshake` is sent or received, and the answer to it made.
    HandshakeSent,
    /// Both sides hold the keys and have confirmed them.
    Active,
    /// Over, for whatever reason.
    Closed,
}

/// What moves a three-way session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThreeWayTransition {
    /// `handshake` was sent, or received and answered.
    Send,
    /// The other side's confirmation MAC holds.
    Confirm,
    /// The end: closed, failed or expired.
    Close,
}

/// A transition that does not exist in the three-way handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no {transition:?} from {state}")]
pub struct InvalidThreeWayState {
    /// The state.
    pub state: ThreeWayState,
    /// The transition.
    pub transition: ThreeWayTransition,
}

impl ThreeWayState {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Init, Self::HandshakeSent, Self::Active, Self::Closed];

    /// The state after `transition`.
    ///
    /// # Errors
    /// [`InvalidThreeWayState`] if there is no such transition.
    pub const fn after(self, transition: ThreeWayTransition) -> Result<Self, InvalidThreeWayState> {
        use ThreeWayTransition as T;
        Ok(match (self, transition) {
            (Self::Init, T::Send) => Self::HandshakeSent,
            (Self::HandshakeSent, T::Confirm) => Self::Active,
            (Self::HandshakeSent | Self::Active, T::Close) => Self::Closed,
            (state, transition) => return Err(InvalidThreeWayState { state, transition }),
        })
    }

    /// The name as people see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::HandshakeSent => "HANDSHAKE_SENT",
            Self::Active => "ACTIVE",
            Self::Closed => "CLOSED",
        }
    }
}

impl fmt::Display for ThreeWayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a handshake stands, in the words of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// One of the nine states.
    SixStep(SessionState),
    /// One of the four states.
    ThreeWay(ThreeWayState),
}

impl Phase {
    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SixStep(state) => state.as_str(),
            Self::ThreeWay(state) => state.as_str(),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
