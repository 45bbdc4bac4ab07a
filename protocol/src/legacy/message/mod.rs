//! One version 1.0 message: its fields, its bytes and what its signature covers.

mod error;
mod fields;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

pub use error::{ClockSkew, MessageError};
pub(super) use fields::{base64_array, check_msg_type, uuid_v4};

use super::canonical::{ObjectWriter, write_object, write_value};
use super::number::Number;
use super::replay::Nonce;
use super::value::{Object, Value};
use super::{MAX_MESSAGE_LEN, VERSION};
use crate::crypto::{BadSignature, PublicKey, Signature};
use crate::identity::{EntityId, Identity};
use crate::limits::MAX_CLOCK_SKEW;
use crate::time::Timestamp;

/// What a message says, before it is signed. Its version is always "1.0".
#[derive(Debug, Clone, PartialEq)]
pub struct Unsigned {
    /// What kind of message it is: 1 to 64 bytes.
    pub msg_type: String,
    /// Who sends it.
    pub sender_id: EntityId,
    /// Whom it is for. Not under the signature.
    pub recipient_id: Option<EntityId>,
    /// The session it belongs to, a UUID v4. Not under the signature.
    pub session_id: Option<Uuid>,
    /// Its number within the session and direction. Not under the signature.
    pub sequence_num: Option<u64>,
    /// Seconds since the Unix epoch; whether it is an integer or a float matters to the signature.
    pub timestamp: Number,
    /// Random, so that no two messages are the same.
    pub nonce: Nonce,
    /// The content.
    pub payload: Object,
    /// Ciphertext of extensions that this implementation does not know. Not under the signature.
    pub encrypted_payload: Option<Value>,
    /// The sender's public key in hexadecimal. Not under the signature.
    pub sender_public_key: Option<String>,
    /// A token for gateways. Not under the signature, and not looked at.
    pub jwt_token: Option<String>,
}

/// A signed message; whether the signature holds is for [`Message::verify`] to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    content: Unsigned,
    signature: Signature,
}

impl Unsigned {
    /// What the signature covers: the canonical JSON of exactly `msg_type`, `nonce`, `payload`,
    /// `sender_id`, `timestamp` and `version`.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        ObjectWriter::new()
            .string("msg_type", &self.msg_type)
            .string("nonce", &STANDARD.encode(self.nonce))
            .member("payload", |out| write_object(out, &self.payload))
            .string("sender_id", self.sender_id.as_str())
            .member("timestamp", |out| out.push_str(&self.timestamp.to_string()))
            .string("version", VERSION)
            .finish()
            .into_bytes()
    }

    /// Signs the message.
    #[must_use]
    pub fn sign(self, identity: &Identity) -> Message {
        let signature = identity.sign(&self.signing_bytes());
        Message { content: self, signature }
    }

    /// When the message was sent, to the nearest millisecond.
    #[must_use]
    pub fn sent_at(&self) -> Timestamp {
        millis(&self.timestamp)
    }
}

impl Message {
    /// Reads a message of at most [`MAX_MESSAGE_LEN`] bytes. Unknown fields, which no signature
    /// covers, are read within the same bounds and dropped.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let Value::Object(object) = Value::parse(bytes, MAX_MESSAGE_LEN)? else {
            return Err(MessageError::NotAnObject);
        };
        fields::read(object)
    }

    /// The message as it travels: canonical JSON with every field, `null` where unused.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let content = &self.content;
        let session_id = content.session_id.map(|id| id.hyphenated().to_string());
        ObjectWriter::new()
            .member("encrypted_payload", |out| {
                write_value(out, content.encrypted_payload.as_ref().unwrap_or(&Value::Null));
            })
            .optional_string("jwt_token", content.jwt_token.as_deref())
            .string("msg_type", &content.msg_type)
            .string("nonce", &STANDARD.encode(content.nonce))
            .member("payload", |out| write_object(out, &content.payload))
            .optional_string("recipient_id", content.recipient_id.as_ref().map(EntityId::as_str))
            .string("sender_id", content.sender_id.as_str())
            .optional_string("sender_public_key", content.sender_public_key.as_deref())
            .member("sequence_num", |out| match content.sequence_num {
                Some(number) => out.push_str(&number.to_string()),
                None => out.push_str("null"),
            })
            .optional_string("session_id", session_id.as_deref())
            .string("signature", &STANDARD.encode(self.signature))
            .member("timestamp", |out| {
                out.push_str(&content.timestamp.to_string());
            })
            .string("version", VERSION)
            .finish()
            .into_bytes()
    }

    /// What the message says.
    #[must_use]
    pub const fn content(&self) -> &Unsigned {
        &self.content
    }

    /// The signature as it came.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What the signature covers.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        self.content.signing_bytes()
    }

    /// Verifies the signature under `key`.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        key.verify(&self.signing_bytes(), &self.signature)
    }

    /// Checks that the message was sent about now.
    ///
    /// # Errors
    /// [`ClockSkew`] if its timestamp lies over [`MAX_CLOCK_SKEW`] from `now`, either way.
    pub fn check_time(&self, now: Timestamp) -> Result<(), ClockSkew> {
        let distance = self.content.sent_at().distance(now);
        if distance > MAX_CLOCK_SKEW { Err(ClockSkew { distance }) } else { Ok(()) }
    }
}

/// The timestamp of a message sent at `now`: a float, as Python's `time.time()` gives.
pub(super) fn seconds(now: Timestamp) -> Number {
    // Exact to the millisecond for the next 200 000 years, and always finite.
    let seconds = now.as_millis() as f64 / 1000.0;
    Number::float(seconds).unwrap_or_else(|_| Number::from(u64::MAX))
}

fn millis(seconds: &Number) -> Timestamp {
    let millis = match seconds.as_u64() {
        Some(whole) => whole.saturating_mul(1000),
        // The cast saturates: what lies before the epoch or beyond `u64` is out of every window.
        None => (seconds.as_f64() * 1000.0).round() as u64,
    };
    Timestamp::from_millis(millis)
}
