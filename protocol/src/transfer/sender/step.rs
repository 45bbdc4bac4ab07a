//! What a sender keeps to, what it wants sent, and how it ends.

use std::time::Duration;

use thiserror::Error;

use crate::error::ErrorCode;
use crate::limits::{MAX_PIECE_LEN, MIN_PIECE_LEN, TRANSFER_WINDOW};

/// What a sender keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a piece; the same for the whole life of a transfer.
    pub piece_len: u32,
    /// Most bytes beyond what the receiver has on disk.
    pub window: u64,
    /// Most bytes that are with the link at once; one piece may always be.
    pub under_way: u64,
    /// Without any progress for so long, the transfer is over.
    pub patience: Duration,
}

impl Limits {
    /// The limits for pieces of about `piece_len` bytes.
    #[must_use]
    pub fn new(piece_len: u32) -> Self {
        Self {
            piece_len: piece_len.clamp(MIN_PIECE_LEN, MAX_PIECE_LEN),
            window: TRANSFER_WINDOW,
            under_way: 4 << 20,
            patience: Duration::from_secs(7 * 86_400),
        }
    }
}

/// Something to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The offer, for the `attempt`th time.
    Offer {
        /// To be reported back with the answer.
        attempt: u32,
    },
    /// A piece.
    Piece {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        len: u32,
    },
    /// That the sender gives up.
    Cancel,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ended {
    /// The receiver has the whole on disk, and its digest was right.
    #[error("complete")]
    Complete,
    /// The receiver refused it.
    #[error("{code}: {detail}")]
    Refused {
        /// The protocol's code.
        code: ErrorCode,
        /// More, for people.
        detail: String,
    },
    /// The receiver says what cannot be.
    #[error("the receiver says that it has {received} of {total} bytes")]
    Misled {
        /// Bytes that it says it has.
        received: u64,
        /// Bytes in the payload.
        total: u64,
    },
    /// The receiver takes pieces and loses them, again and again.
    #[error("the receiver lost what it had, again and again")]
    Lost,
    /// Nothing has come of it for too long.
    #[error("it made no progress for too long")]
    TimedOut,
    /// This side gave up.
    #[error("cancelled")]
    Cancelled,
}
