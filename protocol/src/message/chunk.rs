//! `chunk` and `chunk_ack`: pieces of payloads that are too large for one message (§9).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::id::MessageId;
use crate::limits::MAX_CONTENT_LEN;

/// One piece of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk<'a> {
    /// The piece.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
    /// Bytes in the whole transfer.
    pub total: u64,
    /// Where the piece begins, in bytes.
    pub offset: u64,
    /// The transfer it belongs to.
    pub transfer: MessageId,
}

impl Chunk<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("data", self.data.len(), MAX_CONTENT_LEN)
    }
}

/// How much of a transfer has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkAck {
    /// Bytes that the receiver will take beyond `received`.
    pub window: u64,
    /// Bytes received without a gap.
    pub received: u64,
    /// The transfer.
    pub transfer: MessageId,
}

impl ChunkAck {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as for every body")]
    pub(super) const fn check(&self) -> Result<(), BodyError> {
        Ok(())
    }
}
