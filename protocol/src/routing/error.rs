//! What is wrong with a packet or an outcome.

use thiserror::Error;

use super::outcome::Reason;
use crate::cbor::CborError;
use crate::crypto::BadPublicKey;
use crate::limits::{MAX_ENVELOPE_LEN, MAX_HOP_HEAD_LEN, MAX_HOPS};

/// Why bytes are no packet or no outcome (§12.2, §12.3).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HopError {
    /// The bytes end inside a frame.
    #[error("a frame ends early")]
    Truncated,
    /// Bytes follow the second frame.
    #[error("{len} bytes follow the envelope")]
    Trailing {
        /// How many.
        len: usize,
    },
    /// The head is longer than any may be.
    #[error("the head has {len} bytes; at most {MAX_HOP_HEAD_LEN} are allowed")]
    HeadTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The envelope is longer than any may be.
    #[error("the envelope has {len} bytes; at most {MAX_ENVELOPE_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The head is not deterministic CBOR, or not of the right shape.
    #[error("not a head: {0}")]
    Cbor(#[from] CborError),
    /// The origin or the destination is no usable key.
    #[error("not a key: {0}")]
    Key(#[from] BadPublicKey),
    /// It is for the node that it comes from.
    #[error("origin and destination are the same")]
    Circular,
    /// More hops than any packet may make, or none.
    #[error("{hops} hops; 1 to {MAX_HOPS} are allowed")]
    Hops {
        /// How many it says.
        hops: u64,
    },
    /// A refusal with an envelope, an answer with a reason, and the like.
    #[error("the parts of the outcome do not belong together")]
    Mixed,
    /// An answer that the destination did not sign.
    #[error("the destination did not sign this answer")]
    Forged,
}

impl HopError {
    /// What whoever sent such a packet is told.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::HeadTooLong { .. } | Self::TooLong { .. } => Reason::TooLarge,
            Self::Hops { .. } => Reason::HopLimit,
            Self::Truncated
            | Self::Trailing { .. }
            | Self::Cbor(_)
            | Self::Key(_)
            | Self::Circular
            | Self::Mixed
            | Self::Forged => Reason::Malformed,
        }
    }
}
