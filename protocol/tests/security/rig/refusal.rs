//! Whatever can be said against a message.

use peer_protocol::envelope::EnvelopeError;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeError;
use peer_protocol::session::SessionError;

/// Why something was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Envelope(EnvelopeError),
    Handshake(HandshakeError),
    Session(SessionError),
}

impl Refusal {
    /// The code that the peer sees.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Envelope(error) => error.into(),
            Self::Handshake(error) => error.into(),
            Self::Session(error) => error.into(),
        }
    }

    pub(crate) fn handshake(self) -> HandshakeError {
        match self {
            Self::Handshake(error) => error,
            other => panic!("not a handshake's refusal: {other:?}"),
        }
    }

    pub(crate) fn session(self) -> SessionError {
        match self {
            Self::Session(error) => error,
            other => panic!("not a session's refusal: {other:?}"),
        }
    }

    pub(crate) fn envelope(self) -> EnvelopeError {
        match self {
            Self::Envelope(error) => error,
            other => panic!("not an envelope's refusal: {other:?}"),
        }
    }
}

impl From<EnvelopeError> for Refusal {
    fn from(error: EnvelopeError) -> Self {
        Self::Envelope(error)
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
