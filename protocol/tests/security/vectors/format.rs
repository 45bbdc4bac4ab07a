//! What stands in the files, in this order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes, as lower-case hex.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl Hex {
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().to_vec())
    }

    pub(crate) fn array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().unwrap()
    }
}

impl From<Hex> for String {
    fn from(bytes: Hex) -> Self {
        hex::encode(bytes.0)
    }
}

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File<T> {
    pub(crate) about: Vec<String>,
    pub(crate) vectors: Vec<T>,
}

/// Random bytes, and what for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draw {
    pub(crate) what: String,
    pub(crate) bytes: Hex,
}

/// One side's inputs, and what follows from them at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    pub(crate) entity_id: String,
    pub(crate) identity_seed: Hex,
    pub(crate) identity_public_key: Hex,
    pub(crate) fingerprint: String,
    pub(crate) cipher_suites: Vec<String>,
    pub(crate) features: Vec<String>,
    pub(crate) random: Vec<Draw>,
    pub(crate) ephemeral_private_key: Hex,
    pub(crate) ephemeral_public_key: Hex,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handshake {
    pub(crate) name: String,
    pub(crate) suite: String,
    pub(crate) features: Vec<String>,
    pub(crate) session_id: Hex,
    pub(crate) session_lifetime_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge_lifetime_ms: Option<u64>,
    pub(crate) initiator: Party,
    pub(crate) responder: Party,
    pub(crate) messages: Vec<Message>,
    pub(crate) shared_secret: Hex,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provisional_ack: Option<Hex>,
    pub(crate) handshake_hash: Hex,
    pub(crate) session_key: Hex,
    pub(crate) initiator_keys: Keys,
    pub(crate) responder_keys: Keys,
    pub(crate) confirmations: Vec<Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<Challenge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_record: Option<FirstRecord>,
}

/// One envelope of a handshake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub(crate) number: u64,
    pub(crate) msg_type: String,
    pub(crate) from: String,
    pub(crate) timestamp: u64,
    pub(crate) nonce: Hex,
    pub(crate) body: Hex,
    pub(crate) unsigned_envelope: Hex,
    pub(crate) signature_input: Hex,
    pub(crate) signature: Hex,
    pub(crate) envelope: Hex,
    pub(crate) transcript_after: Hex,
}

/// Keys of what one side sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) traffic_key: Hex,
    pub(crate) iv: Hex,
    pub(crate) confirm_key: Hex,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    pub(crate) by: String,
    pub(crate) transcript: Hex,
    pub(crate) mac: Hex,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Challenge {
    pub(crate) challenge: Hex,
    pub(crate) signature_input: Hex,
    pub(crate) signature: Hex,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstRecord {
    pub(crate) sequence_num: u64,
    pub(crate) aead_nonce: Hex,
    pub(crate) aad: Hex,
    pub(crate) plaintext: Hex,
    pub(crate) record: Hex,
}

/// One side of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    pub(crate) entity_id: String,
    pub(crate) identity_seed: Hex,
    pub(crate) identity_public_key: Hex,
    pub(crate) traffic_key: Hex,
    pub(crate) iv: Hex,
}

/// The records of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    pub(crate) name: String,
    pub(crate) continues: String,
    pub(crate) suite: String,
    pub(crate) session_id: Hex,
    pub(crate) initiator: Side,
    pub(crate) responder: Side,
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) from: String,
    pub(crate) sequence_num: u64,
    pub(crate) timestamp: u64,
    pub(crate) nonce: Hex,
    pub(crate) messages: Vec<Inner>,
    pub(crate) plaintext: Hex,
    pub(crate) aead_nonce: Hex,
    pub(crate) aad: Hex,
    pub(crate) payload: Hex,
    pub(crate) signature_input: Hex,
    pub(crate) signature: Hex,
    pub(crate) envelope: Hex,
}

/// One message inside a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inner {
    pub(crate) id: Hex,
    pub(crate) r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Place>,
    pub(crate) body: Hex,
}

/// The place of a message in its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u64>,
    pub(crate) number: u64,
    pub(crate) stream: Hex,
}

/// An error outside any session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorEnvelope {
    pub(crate) code: String,
    pub(crate) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) sender_id: String,
    pub(crate) sender_seed: Hex,
    pub(crate) sender_public_key: Hex,
    pub(crate) recipient_id: String,
    pub(crate) recipient_public_key: Hex,
    pub(crate) timestamp: u64,
    pub(crate) nonce: Hex,
    pub(crate) body: Hex,
    pub(crate) signature_input: Hex,
    pub(crate) signature: Hex,
    pub(crate) envelope: Hex,
}
