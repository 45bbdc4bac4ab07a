//! The session stream: what travels on one long-lived stream instead of a request–response exchange
//! each, and the accounts that both ends keep of it (`docs/PROTOCOL.md` §14.4).
//!
//! One side, which opened the stream, only asks, and the other only answers. Whoever moves the bytes
//! reads a [`Head`], then that many bytes, and tells [`Asking`] or [`Answering`]; a [`Violation`] ends
//! the stream.

mod answering;
mod asking;
mod credit;
mod frame;

use thiserror::Error;

pub use answering::Answering;
pub use asking::{Answered, Asking};
pub use credit::{CREDIT_LEN, Credit};
pub use frame::{FrameId, HEAD_LEN, Head, Kind};

/// The other end does not keep to the protocol; the stream is to be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// No such kind of frame.
    #[error("there is no kind of frame {kind}")]
    UnknownKind {
        /// The byte.
        kind: u8,
    },
    /// This side of the stream does not send that kind.
    #[error("this side of a stream sends no {kind:?} frames")]
    WrongSide {
        /// The kind.
        kind: Kind,
    },
    /// A frame of this kind cannot have that length.
    #[error("a {kind:?} frame of {len} bytes")]
    Length {
        /// The kind.
        kind: Kind,
        /// What it announces, in bytes.
        len: u32,
    },
    /// A request is not numbered one more than the one before.
    #[error("request {found} where {expected} is due")]
    OutOfOrder {
        /// Its number.
        found: FrameId,
        /// The number that was due.
        expected: FrameId,
    },
    /// More requests are unanswered than were granted.
    #[error("more than {frames} requests unanswered")]
    TooManyFrames {
        /// What was granted.
        frames: u32,
    },
    /// More bytes of requests are unanswered than were granted.
    #[error("more than {bytes} bytes of requests unanswered")]
    TooManyBytes {
        /// What was granted.
        bytes: u32,
    },
    /// An answer to nothing.
    #[error("an answer to request {id}, which is not open")]
    NotAsked {
        /// Its number.
        id: FrameId,
    },
    /// A grant that takes back what was granted before.
    #[error("a grant is less than the one before")]
    Withdrawn,
}

#[cfg(test)]
mod tests;
