//! The sixteen error codes, and the one map from local errors to them (`docs/PROTOCOL.md` §15).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::cbor::text_enum;
use crate::envelope::EnvelopeError;
use crate::handshake::HandshakeError;
use crate::identity::TrustError;
use crate::message::{BatchError, BodyError};
use crate::registry::RegistryError;
use crate::replay::ReplayError;
use crate::session::SessionError;
use crate::transfer::TransferError;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// An error code as peers see it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// All sixteen.
            pub const ALL: [Self; 16] = [$(Self::$variant),+];
        }

        text_enum!(ErrorCode { $($variant = $name,)+ });
    };
}

codes! {
    /// The bytes are not what version 1.1 defines, or no common version exists.
    InvalidVersion = "INVALID_VERSION",
    /// A signature, key or name does not prove the identity it claims.
    InvalidSignature = "INVALID_SIGNATURE",
    /// The message was seen before, or its timestamp lies outside the window.
    ReplayDetected = "REPLAY_DETECTED",
    /// The session's life is over.
    SessionExpired = "SESSION_EXPIRED",
    /// The sequence number was used before or lies behind the window.
    SequenceError = "SEQUENCE_ERROR",
    /// The record does not open under the session's key.
    DecryptionFailed = "DECRYPTION_FAILED",
    /// The answer to a challenge came too late.
    ChallengeExpired = "CHALLENGE_EXPIRED",
    /// The answer to a challenge is wrong.
    ChallengeInvalid = "CHALLENGE_INVALID",
    /// Another handshake with this peer is under way.
    HandshakeInProgress = "HANDSHAKE_IN_PROGRESS",
    /// The receiver does not know this session.
    SessionNotFound = "SESSION_NOT_FOUND",
    /// Application data before the session was ready.
    EncryptionNotReady = "ENCRYPTION_NOT_READY",
    /// The state machine has no such transition.
    InvalidState = "INVALID_STATE",
    /// The receiver's operator demands encryption, which this peer does not offer.
    EncryptionRequired = "ENCRYPTION_REQUIRED",
    /// Over the rate; try again later.
    RateLimited = "RATE_LIMITED",
    /// A chunked transfer failed.
    ChunkError = "CHUNK_ERROR",
    /// The registry failed.
    DhtError = "DHT_ERROR",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names none of the sixteen codes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no such error code")]
pub struct UnknownErrorCode;

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named(text).ok_or(UnknownErrorCode)
    }
}

impl From<&EnvelopeError> for ErrorCode {
    fn from(error: &EnvelopeError) -> Self {
        match error {
            EnvelopeError::TooLong { .. }
            | EnvelopeError::PlainTooLong { .. }
            | EnvelopeError::Cbor(_)
            | EnvelopeError::Version { .. }
            | EnvelopeError::Kind { .. }
            | EnvelopeError::Entity(_)
            | EnvelopeError::Session => Self::InvalidVersion,
            EnvelopeError::Encryption { .. } => Self::EncryptionRequired,
        }
    }
}

impl From<&ReplayError> for ErrorCode {
    fn from(error: &ReplayError) -> Self {
        match error {
            ReplayError::Skewed { .. } | ReplayError::Repeated | ReplayError::Forgotten => {
                Self::ReplayDetected
            }
        }
    }
}

impl From<&TrustError> for ErrorCode {
    fn from(error: &TrustError) -> Self {
        match error {
            TrustError::KeyMismatch { .. }
            | TrustError::Revoked { .. }
            | TrustError::NotPinned { .. }
            | TrustError::Id(_) => Self::InvalidSignature,
        }
    }
}

impl From<&BodyError> for ErrorCode {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::Cbor { .. } | BodyError::TooLong { .. } | BodyError::Field { .. } => {
                Self::InvalidVersion
            }
        }
    }
}

impl From<&SessionError> for ErrorCode {
    fn from(error: &SessionError) -> Self {
        match error {
            SessionError::Expired | SessionError::KeyExhausted => Self::SessionExpired,
            SessionError::Window(_) => Self::SequenceError,
            SessionError::Decryption => Self::DecryptionFailed,
            SessionError::Signature | SessionError::Address { .. } => Self::InvalidSignature,
            SessionError::Replay(error) => error.into(),
            SessionError::Batch(BatchError::Cbor(_) | BatchError::Length { .. }) => {
                Self::InvalidVersion
            }
        }
    }
}

impl From<&RegistryError> for ErrorCode {
    fn from(error: &RegistryError) -> Self {
        match error {
            RegistryError::Key
            | RegistryError::TooLong { .. }
            | RegistryError::Cbor(_)
            | RegistryError::Limit { .. }
            | RegistryError::Form { .. }
            | RegistryError::Capability(_)
            | RegistryError::Ttl { .. }
            | RegistryError::WrongKey { .. }
            | RegistryError::Future { .. }
            | RegistryError::Expired { .. }
            | RegistryError::TooManyKeys => Self::DhtError,
            RegistryError::Entity(_)
            | RegistryError::PublicKey(_)
            | RegistryError::Signature(_)
            | RegistryError::Signer { .. }
            | RegistryError::Contested { .. } => Self::InvalidSignature,
            RegistryError::Trust(error) => error.into(),
        }
    }
}

impl From<&TransferError> for ErrorCode {
    fn from(error: &TransferError) -> Self {
        match error {
            TransferError::NotAccepted
            | TransferError::NotPinned
            | TransferError::TooLarge { .. }
            | TransferError::TooSmall { .. }
            | TransferError::TooMany { .. }
            | TransferError::Quota { .. }
            | TransferError::NoSpace
            | TransferError::Name(_)
            | TransferError::Unknown
            | TransferError::Misuse { .. }
            | TransferError::WrongTotal { .. }
            | TransferError::WrongOffer
            | TransferError::OutOfRange { .. }
            | TransferError::BeyondWindow { .. }
            | TransferError::TooShort { .. }
            | TransferError::Overlap { .. }
            | TransferError::WrongDigest
            | TransferError::Idle
            | TransferError::Disk
            | TransferError::Withdrawn { .. }
            | TransferError::Over { .. }
            | TransferError::Cancelled => Self::ChunkError,
        }
    }
}

impl From<&HandshakeError> for ErrorCode {
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::State(_)
            | HandshakeError::ThreeWayState(_)
            | HandshakeError::Unexpected { .. }
            | HandshakeError::ThreeWayDisabled => Self::InvalidState,
            HandshakeError::TimedOut => Self::SessionExpired,
            HandshakeError::Replay(error) => error.into(),
            HandshakeError::Sequence { .. } => Self::SequenceError,
            HandshakeError::Address { .. }
            | HandshakeError::Key(_)
            | HandshakeError::KeyMismatch { .. }
            | HandshakeError::OwnKey
            | HandshakeError::Signature(_)
            | HandshakeError::Transcript
            | HandshakeError::LowOrder(_) => Self::InvalidSignature,
            HandshakeError::Trust(error) => error.into(),
            HandshakeError::Session { .. } => Self::SessionNotFound,
            HandshakeError::Body(_)
            | HandshakeError::Parameter { .. }
            | HandshakeError::NoCommon { .. }
            | HandshakeError::NotOffered { .. } => Self::InvalidVersion,
            HandshakeError::ChallengeExpired => Self::ChallengeExpired,
            HandshakeError::ChallengeInvalid => Self::ChallengeInvalid,
            HandshakeError::Confirmation => Self::DecryptionFailed,
            HandshakeError::FirstRecord(error) => error.into(),
        }
    }
}
