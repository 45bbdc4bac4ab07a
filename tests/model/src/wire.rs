//! What travels: the kinds of envelopes, their fields and the order of those, as in
//! `docs/PROTOCOL.md` §2.1, §3.2 and §4.2. `tests/code.rs` compares this with real messages.

use crate::term::Width;

/// A kind of envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Six-step, step 1.
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
    /// Three-way, message 1.
    Handshake,
    /// Message 2.
    HandshakeAck,
    /// Message 3.
    HandshakeConfirm,
    /// A record of a session.
    Sealed,
}

/// A field of an envelope or of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Of the envelope: random.
    Nonce,
    /// Of the envelope: `"1.1"`.
    Version,
    /// Of the envelope: its kind.
    MsgType,
    /// Of the envelope, in records only.
    Encrypted,
    /// Of the envelope: the sender's name.
    SenderId,
    /// Of the envelope.
    Signature,
    /// Of the envelope. The model has no clock: always "now".
    Timestamp,
    /// Of the envelope, from step 4 or message 2 on.
    SessionId,
    /// Of the envelope: the recipient's name, chosen or derived.
    RecipientId,
    /// Of the envelope: the step's number less one, or the record's.
    SequenceNum,
    /// Offered, or agreed on.
    Features,
    /// Offered.
    Versions,
    /// The identity key that the sender shows.
    PublicKey,
    /// Offered.
    CipherSuites,
    /// The sender's share of the key exchange.
    EphemeralKey,
    /// Chosen.
    Suite,
    /// Chosen.
    ChosenVersion,
    /// Random.
    Challenge,
    /// How long the challenge lives.
    ChallengeLifetime,
    /// The hash of everything before.
    Transcript,
    /// The answer to the challenge.
    ChallengeSignature,
    /// Key confirmation.
    Mac,
    /// The session's id, once more in the body.
    BodySessionId,
    /// How long the session lives.
    Lifetime,
    /// Ciphertext: the record in `ready`, or the payload of a record of the session.
    Record,
}

impl Kind {
    /// All ten.
    pub const ALL: [Self; 10] = [
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
    ];

    /// Its `msg_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
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
        }
    }

    /// The `sequence_num` of a handshake envelope.
    #[must_use]
    pub const fn sequence(self) -> &'static str {
        match self {
            Self::HandshakeInit | Self::Handshake | Self::Sealed => "0",
            Self::HandshakeInitAck | Self::HandshakeAck => "1",
            Self::ChallengeResponse | Self::HandshakeConfirm => "2",
            Self::SessionEstablished => "3",
            Self::SessionConfirm => "4",
            Self::Ready => "5",
        }
    }

    /// The fields of its body, in order. A record's payload is ciphertext and counts as one field.
    #[must_use]
    pub const fn body(self) -> &'static [Field] {
        use Field as F;
        match self {
            Self::HandshakeInit | Self::Handshake => {
                &[F::Features, F::Versions, F::PublicKey, F::CipherSuites, F::EphemeralKey]
            }
            Self::HandshakeInitAck => &[
                F::Suite,
                F::ChosenVersion,
                F::Features,
                F::Challenge,
                F::PublicKey,
                F::Transcript,
                F::EphemeralKey,
                F::ChallengeLifetime,
            ],
            Self::ChallengeResponse => &[F::Transcript, F::ChallengeSignature],
            Self::SessionEstablished => &[F::Mac, F::BodySessionId, F::Transcript, F::Lifetime],
            Self::SessionConfirm | Self::HandshakeConfirm => {
                &[F::Mac, F::BodySessionId, F::Transcript]
            }
            Self::Ready => &[F::Record, F::BodySessionId, F::Transcript],
            Self::HandshakeAck => &[
                F::Mac,
                F::Suite,
                F::ChosenVersion,
                F::Features,
                F::PublicKey,
                F::BodySessionId,
                F::Transcript,
                F::Lifetime,
                F::EphemeralKey,
            ],
            Self::Sealed => &[F::Record],
        }
    }

    /// The fields of the envelope around the payload, in order.
    #[must_use]
    pub fn envelope(self) -> Vec<Field> {
        use Field as F;
        let session = !matches!(
            self,
            Self::HandshakeInit
                | Self::HandshakeInitAck
                | Self::ChallengeResponse
                | Self::Handshake
        );
        [
            F::Nonce,
            F::Version,
            F::MsgType,
            F::Encrypted,
            F::SenderId,
            F::Signature,
            F::Timestamp,
            F::SessionId,
            F::RecipientId,
            F::SequenceNum,
        ]
        .into_iter()
        .filter(|field| session || *field != F::SessionId)
        .filter(|field| self == Self::Sealed || *field != F::Encrypted)
        .collect()
    }

    /// All of its fields: those of the envelope, and then those of the body.
    #[must_use]
    pub fn fields(self) -> Vec<Field> {
        let mut fields = self.envelope();
        fields.extend_from_slice(self.body());
        fields
    }
}

impl Field {
    /// Its key on the wire.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Nonce => "nonce",
            Self::Version | Self::ChosenVersion => "version",
            Self::MsgType => "msg_type",
            Self::Encrypted => "encrypted",
            Self::SenderId => "sender_id",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::SessionId | Self::BodySessionId => "session_id",
            Self::RecipientId => "recipient_id",
            Self::SequenceNum => "sequence_num",
            Self::Features => "features",
            Self::Versions => "versions",
            Self::PublicKey => "public_key",
            Self::CipherSuites => "cipher_suites",
            Self::EphemeralKey => "ephemeral_key",
            Self::Suite => "suite",
            Self::Challenge => "challenge",
            Self::ChallengeLifetime => "challenge_lifetime_ms",
            Self::Transcript => "transcript",
            Self::ChallengeSignature => "challenge_signature",
            Self::Mac => "mac",
            Self::Lifetime => "lifetime_ms",
            Self::Record => "record",
        }
    }

    /// How wide its values are.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            Self::Nonce | Self::SessionId | Self::BodySessionId => Width::Sixteen,
            Self::PublicKey
            | Self::EphemeralKey
            | Self::Challenge
            | Self::Transcript
            | Self::Mac => Width::ThirtyTwo,
            Self::Signature | Self::ChallengeSignature => Width::Other,
            // The plaintext in it is what can be open.
            Self::Record => Width::Data,
            Self::Version
            | Self::MsgType
            | Self::Encrypted
            | Self::SenderId
            | Self::Timestamp
            | Self::RecipientId
            | Self::SequenceNum
            | Self::Features
            | Self::Versions
            | Self::CipherSuites
            | Self::Suite
            | Self::ChosenVersion
            | Self::ChallengeLifetime
            | Self::Lifetime => Width::Text,
        }
    }
}
