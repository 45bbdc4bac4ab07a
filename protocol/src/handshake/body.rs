//! The bodies of handshake envelopes, keys in deterministic order (`docs/PROTOCOL.md` §3.2, §4.2).

use serde::{Deserialize, Serialize};

use crate::crypto::{ConfirmationMac, Digest, Signature};
use crate::id::SessionId;

/// What an initiator offers: step 1, and the first message of the three-way handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    pub(super) features: Vec<String>,
    pub(super) versions: Vec<String>,
    #[serde(with = "serde_bytes")]
    pub(super) public_key: [u8; 32],
    pub(super) cipher_suites: Vec<String>,
    #[serde(with = "serde_bytes")]
    pub(super) ephemeral_key: [u8; 32],
}

/// Step 2.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InitAck {
    pub(super) suite: String,
    pub(super) version: String,
    pub(super) features: Vec<String>,
    #[serde(with = "serde_bytes")]
    pub(super) challenge: [u8; 32],
    #[serde(with = "serde_bytes")]
    pub(super) public_key: [u8; 32],
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
    #[serde(with = "serde_bytes")]
    pub(super) ephemeral_key: [u8; 32],
    pub(super) challenge_lifetime_ms: u64,
}

/// Step 3.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeResponse {
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
    #[serde(with = "serde_bytes")]
    pub(super) challenge_signature: Signature,
}

/// Step 4.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionEstablished {
    #[serde(with = "serde_bytes")]
    pub(super) mac: ConfirmationMac,
    pub(super) session_id: SessionId,
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
    pub(super) lifetime_ms: u64,
}

/// Step 5.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionConfirm {
    #[serde(with = "serde_bytes")]
    pub(super) mac: ConfirmationMac,
    pub(super) session_id: SessionId,
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
}

/// Step 6.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    #[serde(with = "serde_bytes")]
    pub(super) record: [u8; 48],
    pub(super) session_id: SessionId,
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
}

/// The second message of the three-way handshake. Its `mac` is zero while what it confirms is hashed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ack<'a> {
    #[serde(borrow, with = "serde_bytes")]
    pub(super) mac: &'a [u8],
    pub(super) suite: String,
    pub(super) version: String,
    pub(super) features: Vec<String>,
    #[serde(with = "serde_bytes")]
    pub(super) public_key: [u8; 32],
    pub(super) session_id: SessionId,
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
    pub(super) lifetime_ms: u64,
    #[serde(with = "serde_bytes")]
    pub(super) ephemeral_key: [u8; 32],
}

/// The third message of the three-way handshake.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirm {
    #[serde(with = "serde_bytes")]
    pub(super) mac: ConfirmationMac,
    pub(super) session_id: SessionId,
    #[serde(with = "serde_bytes")]
    pub(super) transcript: Digest,
}
