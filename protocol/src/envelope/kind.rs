//! The kinds of envelope. What a sealed one holds is seen only by its receiver.

use std::fmt;

/// The `msg_type` of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvelopeKind {
    /// Step 1 of the six-step handshake.
    HandshakeInit,
    /// Step 2.
    HandshakeInitAck,
    /// Step 3.
    ChallengeResponse,
    /// Step 4.
    SessionEstablished,
    /// Step 5.
    SessionConfirm,
    /// Step 6.
    Ready,
    /// First of the three-way handshake.
    Handshake,
    /// Second of the three-way handshake.
    HandshakeAck,
    /// Third of the three-way handshake.
    HandshakeConfirm,
    /// One or more messages, encrypted.
    Sealed,
    /// An error where no session can carry one.
    Error,
}

impl EnvelopeKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::HandshakeInit,
        Self::HandshakeInitAck,
        Self::ChallengeResponse,
        Self::SessionEstablished,
        Self::SessionConfirm,
        Self::Ready,
        Self::Handshake,
        Self::HandshakeAck,
        Self::HandshakeConfirm,
        Self::Sealed,
        Self::Error,
    ];

    /// The `msg_type` on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HandshakeInit => "handshake_init",
            Self::HandshakeInitAck => "handshake_init_ack",
            Self::ChallengeResponse => "challenge_response",
            Self::SessionEstablished => "session_established",
            Self::SessionConfirm => "session_confirm",
            Self::Ready => "ready",
            Self::Handshake => "handshake",
            Self::HandshakeAck => "handshake_ack",
            Self::HandshakeConfirm => "handshake_confirm",
            Self::Sealed => "sealed",
            Self::Error => "error",
        }
    }

    /// The kind called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether envelopes of this kind start a handshake, and so cost a handshake token.
    #[must_use]
    pub const fn starts_handshake(self) -> bool {
        matches!(self, Self::HandshakeInit | Self::Handshake)
    }
}

impl fmt::Display for EnvelopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
