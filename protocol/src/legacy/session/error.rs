//! Why a message is not sealed or not accepted.

use thiserror::Error;

use crate::crypto::BadSignature;
use crate::error::ErrorCode;
use crate::identity::EntityId;
use crate::legacy::message::{ClockSkew, MessageError};
use crate::legacy::replay::ReplayError;
use crate::legacy::value::ValueError;

/// Why a message is not sealed or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The session was closed.
    #[error("the session is closed")]
    Closed,
    /// The session's life is over.
    #[error("the session's life is over")]
    Expired,
    /// The message belongs to another session, or to none.
    #[error("the message belongs to another session, or to none")]
    SessionId,
    /// Sent by another entity than the session's peer.
    #[error("the message is not from {expected}")]
    Sender {
        /// The session's peer.
        expected: EntityId,
    },
    /// Meant for another entity, or for none.
    #[error("the message is not for this entity")]
    Recipient,
    /// A handshake message, which has no place in a session.
    #[error("handshake messages have no place in a session")]
    Handshake,
    /// The content is encrypted in a way that version 1.0 does not define.
    #[error("the message has an encrypted_payload, which nothing here opens")]
    Encrypted,
    /// The message has no sequence number.
    #[error("the message has no sequence number")]
    NoSequenceNumber,
    /// The sequence number is not beyond the last one.
    #[error("sequence number {number} is not beyond {last}")]
    SequenceNumber {
        /// The message's.
        number: u64,
        /// The last one accepted.
        last: u64,
    },
    /// Every sequence number is used.
    #[error("every sequence number is used")]
    Exhausted,
    /// Sent too long ago, or in the future.
    #[error(transparent)]
    Clock(#[from] ClockSkew),
    /// Seen before, or older than the session.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// The message would be malformed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The payload is over a limit.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl SessionError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Closed | Self::Handshake => ErrorCode::InvalidState,
            Self::Expired => ErrorCode::SessionExpired,
            Self::SessionId => ErrorCode::SessionNotFound,
            Self::Sender { .. } | Self::Recipient | Self::Signature(_) => {
                ErrorCode::InvalidSignature
            }
            Self::Encrypted => ErrorCode::DecryptionFailed,
            Self::NoSequenceNumber | Self::SequenceNumber { .. } | Self::Exhausted => {
                ErrorCode::SequenceError
            }
            Self::Clock(error) => error.code(),
            Self::Replay(error) => error.code(),
            Self::Message(error) => error.code(),
            Self::Value(error) => error.code(),
        }
    }
}
