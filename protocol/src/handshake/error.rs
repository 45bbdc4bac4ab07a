//! What can go wrong in a handshake.

use thiserror::Error;

use super::state::{InvalidState, InvalidThreeWayState, Phase};
use crate::cbor::CborError;
use crate::crypto::{BadPublicKey, BadSignature, LowOrderPoint};
use crate::envelope::EnvelopeKind;
use crate::id::SessionId;
use crate::identity::{EntityId, Fingerprint, TrustError};
use crate::replay::ReplayError;
use crate::session::SessionError;

/// Why a handshake does not go on. Except for a refusal by trust, the state it was in still stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The step has no place here.
    #[error(transparent)]
    State(#[from] InvalidState),
    /// The transition has no place in the three-way handshake.
    #[error(transparent)]
    ThreeWayState(#[from] InvalidThreeWayState),
    /// The message is none of this handshake.
    #[error("{kind} has no place in a handshake that is {phase}")]
    Unexpected {
        /// What came.
        kind: EnvelopeKind,
        /// Where the handshake stands.
        phase: Phase,
    },
    /// This entity does not answer the three-way handshake.
    #[error("the three-way handshake is not enabled here; use the six-step handshake")]
    ThreeWayDisabled,
    /// The whole handshake took too long.
    #[error("the handshake took too long")]
    TimedOut,
    /// A replay, or a skewed clock.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The sequence number is not the step's.
    #[error("sequence number {found} where step {expected} belongs")]
    Sequence {
        /// What it says.
        found: u64,
        /// What belongs there.
        expected: u64,
    },
    /// Meant for, or sent by, somebody else.
    #[error("the message names {found} where {expected} belongs")]
    Address {
        /// What it says.
        found: EntityId,
        /// What belongs there.
        expected: EntityId,
    },
    /// Another session's id, or one too early, or none.
    #[error("the message belongs to another session ({found:?})")]
    Session {
        /// What it says.
        found: Option<SessionId>,
    },
    /// The body does not decode.
    #[error("the handshake message does not decode: {0}")]
    Body(#[from] CborError),
    /// A parameter is out of bounds.
    #[error("the handshake message has {what}")]
    Parameter {
        /// What is wrong.
        what: &'static str,
    },
    /// The identity key is no key.
    #[error(transparent)]
    Key(#[from] BadPublicKey),
    /// The identity key is not the one that the carrier proves.
    #[error("the peer shows the key {offered}, but {expected} was expected")]
    KeyMismatch {
        /// What was expected.
        expected: Fingerprint,
        /// What the peer shows.
        offered: Fingerprint,
    },
    /// The peer shows this entity's own key: a reflection, or two nodes with one key.
    #[error("the peer shows this node's own key")]
    OwnKey,
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// The peer saw another history of this handshake.
    #[error("the two sides saw different messages: somebody changed or mixed them")]
    Transcript,
    /// The trust rules refuse the peer.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The ephemeral key is a low-order point.
    #[error(transparent)]
    LowOrder(#[from] LowOrderPoint),
    /// Nothing in common.
    #[error("no common {what}")]
    NoCommon {
        /// Of what.
        what: &'static str,
    },
    /// The responder chose what was not offered.
    #[error("the peer chose a {what} that was not offered")]
    NotOffered {
        /// What.
        what: &'static str,
    },
    /// The answer to the challenge came too late.
    #[error("the answer to the challenge came too late")]
    ChallengeExpired,
    /// The answer to the challenge is wrong.
    #[error("the answer to the challenge is wrong")]
    ChallengeInvalid,
    /// The peer does not hold the same keys.
    #[error("the peer's key confirmation does not hold")]
    Confirmation,
    /// The first encrypted record does not open.
    #[error("the first record does not open: {0}")]
    FirstRecord(SessionError),
}
