//! What stands inside the three payloads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::HandshakeError;
use crate::crypto::{PublicKey, Signature};
use crate::identity::EntityId;
use crate::legacy::VERSION;
use crate::legacy::message::{base64_array, uuid_v4};
use crate::legacy::value::{Object, Value};

/// 32 random bytes for the other side to sign.
pub(super) type Challenge = [u8; 32];

/// Which side answers a challenge. Each has its label, so that an answer cannot be sent back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Ack,
    Confirm,
}

impl Answer {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Ack => b"peer-v1.0-handshake-ack",
            Self::Confirm => b"peer-v1.0-handshake-confirm",
        }
    }

    /// The bytes that `signer` signs to answer the challenge of `verifier`.
    pub(super) fn bytes(
        self,
        challenge: &Challenge,
        signer: &EntityId,
        verifier: &EntityId,
    ) -> Vec<u8> {
        let mut bytes = self.label().to_vec();
        bytes.extend_from_slice(challenge);
        for entity in [signer.as_str(), verifier.as_str()] {
            // Entity ids have at most 128 bytes.
            let len = u16::try_from(entity.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(entity.as_bytes());
        }
        bytes
    }
}

pub(super) struct Initiate {
    pub(super) challenge: Challenge,
}

impl Initiate {
    const TYPE: &str = "initiate";

    pub(super) fn write(&self, key: &PublicKey) -> Object {
        object([
            ("handshake_type", Self::TYPE.into()),
            ("challenge", STANDARD.encode(self.challenge).into()),
            ("public_key", key_hex(key).into()),
            ("supported_versions", Value::Array(vec![VERSION.into()])),
        ])
    }

    pub(super) fn read(payload: &Object) -> Result<Self, HandshakeError> {
        check_type(payload, Self::TYPE)?;
        let Some(Value::Array(versions)) = payload.get("supported_versions") else {
            return Err(HandshakeError::Payload { field: "supported_versions" });
        };
        if !versions.iter().any(|version| version.as_str() == Some(VERSION)) {
            return Err(HandshakeError::Version);
        }
        Ok(Self { challenge: bytes(payload, "challenge")? })
    }
}

pub(super) struct Response {
    pub(super) challenge: Challenge,
    pub(super) answer: Signature,
    pub(super) session_id: Uuid,
}

impl Response {
    const TYPE: &str = "response";

    pub(super) fn write(&self, key: &PublicKey) -> Object {
        object([
            ("handshake_type", Self::TYPE.into()),
            ("accepted_version", VERSION.into()),
            ("challenge", STANDARD.encode(self.challenge).into()),
            ("challenge_response", STANDARD.encode(self.answer).into()),
            ("public_key", key_hex(key).into()),
            ("session_id", self.session_id.hyphenated().to_string().into()),
        ])
    }

    pub(super) fn read(payload: &Object) -> Result<Self, HandshakeError> {
        check_type(payload, Self::TYPE)?;
        if text(payload, "accepted_version")? != VERSION {
            return Err(HandshakeError::Version);
        }
        Ok(Self {
            challenge: bytes(payload, "challenge")?,
            answer: bytes(payload, "challenge_response")?,
            session_id: session_id(payload)?,
        })
    }
}

pub(super) struct Confirm {
    pub(super) answer: Signature,
    pub(super) session_id: Uuid,
}

impl Confirm {
    const TYPE: &str = "confirm";

    pub(super) fn write(&self) -> Object {
        object([
            ("handshake_type", Self::TYPE.into()),
            ("challenge_response", STANDARD.encode(self.answer).into()),
            ("session_id", self.session_id.hyphenated().to_string().into()),
        ])
    }

    pub(super) fn read(payload: &Object) -> Result<Self, HandshakeError> {
        check_type(payload, Self::TYPE)?;
        Ok(Self { answer: bytes(payload, "challenge_response")?, session_id: session_id(payload)? })
    }
}

pub(in crate::legacy) fn key_hex(key: &PublicKey) -> String {
    data_encoding::HEXLOWER.encode(key.as_bytes())
}

/// A key in hexadecimal of either case, or in standard base64; their lengths differ.
pub(super) fn read_key(text: &str) -> Result<PublicKey, HandshakeError> {
    let bytes = match text.len() {
        64 => data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok()),
        _ => base64_array(text),
    };
    Ok(PublicKey::from_bytes(&bytes.ok_or(HandshakeError::MalformedKey)?)?)
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn text<'p>(payload: &'p Object, field: &'static str) -> Result<&'p str, HandshakeError> {
    payload.get(field).and_then(Value::as_str).ok_or(HandshakeError::Payload { field })
}

fn bytes<const N: usize>(payload: &Object, field: &'static str) -> Result<[u8; N], HandshakeError> {
    base64_array(text(payload, field)?).ok_or(HandshakeError::Payload { field })
}

fn session_id(payload: &Object) -> Result<Uuid, HandshakeError> {
    let field = "session_id";
    uuid_v4(text(payload, field)?).ok_or(HandshakeError::Payload { field })
}

fn check_type(payload: &Object, expected: &str) -> Result<(), HandshakeError> {
    let field = "handshake_type";
    if text(payload, field)? == expected { Ok(()) } else { Err(HandshakeError::Payload { field }) }
}
