//! `chunk` and `chunk_ack`: pieces of payloads that are too large for one message (§9).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::cbor::text_enum;
use crate::id::TransferId;
use crate::limits::{MAX_CONTENT_LEN, MAX_FILE_NAME_LEN, MAX_NAME_LEN, MAX_TEXT_LEN};

/// What the payload of a transfer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A file for the receiver.
    File,
    /// The content of an ordered message that follows.
    Content,
}

text_enum!(Purpose {
    File = "file",
    Content = "content",
});

/// What is offered, before any of it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// A file's name, without any directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// BLAKE3 of the whole payload.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// What it is for.
    pub purpose: Purpose,
    /// The payload's media type.
    pub content_type: String,
}

impl Offer {
    fn check(&self) -> Result<(), BodyError> {
        let name = self.name.as_ref().map_or(0, String::len);
        BodyError::bytes("name", name, MAX_FILE_NAME_LEN)?;
        BodyError::bytes("content_type", self.content_type.len(), MAX_NAME_LEN)
    }
}

/// One piece of a transfer; or, without data, its offer or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk<'a> {
    /// The piece.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
    /// What is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// Bytes in the whole transfer.
    pub total: u64,
    /// The sender gives up, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// Where the piece begins, in bytes.
    pub offset: u64,
    /// The transfer it belongs to.
    pub transfer: TransferId,
}

impl Chunk<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("data", self.data.len(), MAX_CONTENT_LEN)?;
        let cancel = self.cancel.as_ref().map_or(0, String::len);
        BodyError::bytes("cancel", cancel, MAX_TEXT_LEN)?;
        self.offer.as_ref().map_or(Ok(()), Offer::check)
    }
}

/// How much of a transfer has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkAck {
    /// Bytes that the receiver takes beyond `received`; 0 once the transfer is complete.
    pub window: u64,
    /// Bytes on disk at the receiver without a gap; all only if the digest was right.
    pub received: u64,
    /// The transfer.
    pub transfer: TransferId,
}

impl ChunkAck {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as for every body")]
    pub(super) const fn check(&self) -> Result<(), BodyError> {
        Ok(())
    }
}
