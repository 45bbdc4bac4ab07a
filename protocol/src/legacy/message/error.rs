//! Why bytes are no version 1.0 message.

use std::time::Duration;

use thiserror::Error;

use crate::error::ErrorCode;
use crate::identity::EntityIdError;
use crate::legacy::value::ValueError;
use crate::limits::{MAX_CLOCK_SKEW, MAX_NAME_LEN};

/// Why bytes are no version 1.0 message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not JSON within the bounds.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// JSON, but no object.
    #[error("a message is a JSON object")]
    NotAnObject,
    /// A required field is missing or `null`.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field has another JSON type.
    #[error("{field} has the wrong type")]
    Type {
        /// The field.
        field: &'static str,
    },
    /// The version is not "1.0".
    #[error("the version is not 1.0")]
    Version,
    /// The type's name is empty or too long.
    #[error("msg_type has 1 to {MAX_NAME_LEN} bytes; this one has {len}")]
    MsgType {
        /// Its bytes.
        len: usize,
    },
    /// A field is no entity id.
    #[error("{field}: {source}")]
    Entity {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: EntityIdError,
    },
    /// The session id is no UUID v4 in its hyphenated form.
    #[error("session_id is not a UUID v4")]
    SessionId,
    /// The sequence number is no integer from 0 to 2⁶⁴ − 1.
    #[error("sequence_num is not an unsigned 64-bit integer")]
    SequenceNumber,
    /// The timestamp lies before the Unix epoch.
    #[error("timestamp is negative")]
    Timestamp,
    /// The nonce is not standard base64 of 16 bytes.
    #[error("nonce is not standard base64 of 16 bytes")]
    Nonce,
    /// The signature is not standard base64 of 64 bytes.
    #[error("signature is not standard base64 of 64 bytes")]
    Signature,
}

impl MessageError {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Value(error) => error.code(),
            Self::NotAnObject
            | Self::Missing { .. }
            | Self::Type { .. }
            | Self::Version
            | Self::MsgType { .. }
            | Self::Entity { .. }
            | Self::Timestamp
            | Self::Nonce => ErrorCode::InvalidVersion,
            Self::SessionId => ErrorCode::SessionNotFound,
            Self::SequenceNumber => ErrorCode::SequenceError,
            Self::Signature => ErrorCode::InvalidSignature,
        }
    }
}

/// The message was sent too long ago, or in the future, by this side's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the timestamp lies {distance:?} from this clock; {MAX_CLOCK_SKEW:?} are allowed")]
pub struct ClockSkew {
    /// How far off.
    pub distance: Duration,
}

impl ClockSkew {
    /// The code that a peer sees.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        ErrorCode::ReplayDetected
    }
}
