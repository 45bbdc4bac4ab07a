//! Why a version 1.0 handshake fails.

use thiserror::Error;

use crate::crypto::{BadPublicKey, BadSignature};
use crate::error::ErrorCode;
use crate::identity::{EntityId, Fingerprint, TrustError};
use crate::legacy::State;
use crate::legacy::message::ClockSkew;
use crate::legacy::replay::ReplayError;

/// Why a version 1.0 handshake fails. The handshake itself goes on: only the message is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// Another message is due, or none.
    #[error("{expected} is due in state {state}")]
    State {
        /// The state.
        state: State,
        /// The message type that this side handles.
        expected: &'static str,
    },
    /// A message of another type.
    #[error("{expected} is due, not another type of message")]
    MsgType {
        /// The type that is due.
        expected: &'static str,
    },
    /// The handshake took too long.
    #[error("the handshake took too long")]
    TimedOut,
    /// The answer to a challenge came too late.
    #[error("the answer to the challenge came too late")]
    ChallengeExpired,
    /// The answer to a challenge is wrong.
    #[error("the answer to the challenge is wrong")]
    ChallengeInvalid,
    /// The message, or its key, is this entity's own.
    #[error("the message is this entity's own")]
    Reflected,
    /// Sent by another entity than the one this handshake is with.
    #[error("the message is not from {expected}")]
    Sender {
        /// Whom it should be from.
        expected: EntityId,
    },
    /// Meant for another entity, or for none.
    #[error("the message is not for this entity")]
    Recipient,
    /// A member of the payload is missing or malformed.
    #[error("{field} of the payload is missing or malformed")]
    Payload {
        /// The member.
        field: &'static str,
    },
    /// No common version.
    #[error("the peer does not speak version 1.0")]
    Version,
    /// The session id is missing or not the one agreed on.
    #[error("the session id is missing or another one")]
    SessionId,
    /// The message brings no public key, and none is expected.
    #[error("the peer shows no public key")]
    NoPublicKey,
    /// The public key cannot be read.
    #[error("the peer's public key is not 32 bytes in hexadecimal or base64")]
    MalformedKey,
    /// The public key is no usable key.
    #[error(transparent)]
    UnusableKey(#[from] BadPublicKey),
    /// The keys inside and outside the signature differ.
    #[error("sender_public_key is not the public_key of the payload")]
    KeyConflict,
    /// Not the key that is expected of this peer.
    #[error("the peer's key is {offered}, but {expected} is expected")]
    UnexpectedKey {
        /// What is expected.
        expected: Fingerprint,
        /// What the peer shows.
        offered: Fingerprint,
    },
    /// The trust store refuses the peer.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Sent too long ago, or in the future.
    #[error(transparent)]
    Clock(#[from] ClockSkew),
    /// Seen before.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl HandshakeError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::State { .. } | Self::MsgType { .. } => ErrorCode::InvalidState,
            Self::TimedOut | Self::ChallengeExpired => ErrorCode::ChallengeExpired,
            Self::ChallengeInvalid => ErrorCode::ChallengeInvalid,
            Self::Payload { .. } | Self::Version => ErrorCode::InvalidVersion,
            Self::SessionId => ErrorCode::SessionNotFound,
            Self::Reflected
            | Self::Sender { .. }
            | Self::Recipient
            | Self::NoPublicKey
            | Self::MalformedKey
            | Self::UnusableKey(_)
            | Self::KeyConflict
            | Self::UnexpectedKey { .. }
            | Self::Trust(_)
            | Self::Signature(_) => ErrorCode::InvalidSignature,
            Self::Clock(error) => error.code(),
            Self::Replay(error) => error.code(),
        }
    }
}
