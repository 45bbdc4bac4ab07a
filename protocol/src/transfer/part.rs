//! What a `chunk` is (§9.1): an offer, a piece, or the end.

use super::error::TransferError;
use crate::message::{Chunk, Offer};

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The payload is offered.
    Offer(&'a Offer),
    /// A piece of it.
    Piece(&'a [u8]),
    /// The sender gives up, and why.
    Cancel(&'a str),
}

impl<'a> Part<'a> {
    /// What `chunk` is.
    ///
    /// # Errors
    /// [`TransferError::Misuse`] if it is nothing, or two things at once.
    pub fn of(chunk: &'a Chunk<'_>) -> Result<Self, TransferError> {
        let misuse = |why| Err(TransferError::Misuse { why });
        match (&chunk.offer, &chunk.cancel) {
            (Some(_), Some(_)) => misuse("an offer that is a cancellation"),
            (Some(_), None) if !chunk.data.is_empty() => misuse("an offer with data"),
            (Some(_), None) if chunk.offset != 0 => misuse("an offer with an offset"),
            (Some(offer), None) => Ok(Self::Offer(offer)),
            (None, Some(_)) if !chunk.data.is_empty() => misuse("a cancellation with data"),
            (None, Some(why)) => Ok(Self::Cancel(why)),
            (None, None) if chunk.data.is_empty() => misuse("an empty piece"),
            (None, None) => Ok(Self::Piece(&chunk.data)),
        }
    }
}
