//! Why a receiver ends a transfer, or does not begin one (§9.3).

use thiserror::Error;

use super::name::BadName;

/// Why a receiver does not take a transfer, or a piece of it. Each is `CHUNK_ERROR` for the sender.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransferError {
    /// The receiver's policy takes nothing of the kind from this peer.
    #[error("nothing of the kind is taken from this peer")]
    NotAccepted,
    /// The receiver's policy takes files of some peers, of all that are pinned among them.
    #[error("no files are taken from this peer unless the receiver pins it")]
    NotPinned,
    /// Over the size limit.
    #[error("{total} bytes are too many: at most {most} are taken")]
    TooLarge {
        /// Bytes that were offered.
        total: u64,
        /// Bytes that are taken at most.
        most: u64,
    },
    /// A content that fits into its message.
    #[error("{total} bytes are too few: a content of up to {most} goes in its message")]
    TooSmall {
        /// Bytes that were offered.
        total: u64,
        /// Bytes that a message carries.
        most: u64,
    },
    /// Too many transfers are open.
    #[error("{open} transfers are open already")]
    TooMany {
        /// How many.
        open: usize,
    },
    /// Over a quota.
    #[error("{total} bytes do not fit the quota any more: {left} are left")]
    Quota {
        /// Bytes that were offered.
        total: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// The receiver's disk has no room for it.
    #[error("the receiver's disk has no room for it")]
    NoSpace,
    /// The file's name is not one.
    #[error("bad name: {0}")]
    Name(#[from] BadName),
    /// A piece of a transfer that was not offered, or is over.
    #[error("no such transfer here; offer it again")]
    Unknown,
    /// Something about the message contradicts itself.
    #[error("{why}")]
    Misuse {
        /// What.
        why: &'static str,
    },
    /// Another total than was offered.
    #[error("{offered} bytes were offered, and now it is {given}")]
    WrongTotal {
        /// Bytes that were offered.
        offered: u64,
        /// Bytes that the message says.
        given: u64,
    },
    /// The same transfer, offered as something else.
    #[error("the same transfer was offered as something else")]
    WrongOffer,
    /// A piece that ends beyond the payload, or is larger than any piece.
    #[error("a piece of {len} bytes at {offset} does not lie within {total}")]
    OutOfRange {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        len: u64,
        /// Bytes in the whole payload.
        total: u64,
    },
    /// A piece that ends beyond the window.
    #[error("a piece ends at {end}, and the window at {limit}")]
    BeyondWindow {
        /// Where it ends.
        end: u64,
        /// Where the window ends.
        limit: u64,
    },
    /// A piece shorter than pieces are, and not the last.
    #[error("a piece of {len} bytes, and it is not the last")]
    TooShort {
        /// Its bytes.
        len: u64,
    },
    /// A piece that overlaps others, and is not the repetition of what is there.
    #[error("a piece of {len} bytes at {offset} overlaps others")]
    Overlap {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        len: u64,
    },
    /// All is there, and it is not what was offered.
    #[error("what arrived is not what was offered: its digest is another")]
    WrongDigest,
    /// It made no progress for too long.
    #[error("it made no progress for too long")]
    Idle,
    /// The receiver's disk has failed for too long.
    #[error("the receiver's disk fails")]
    Disk,
    /// Its sender gave it up.
    #[error("its sender gave it up: {why}")]
    Withdrawn {
        /// Why, as the sender says.
        why: String,
    },
    /// It ended before.
    #[error("it is over: {why}")]
    Over {
        /// How it ended.
        why: String,
    },
    /// The receiver does not want it any more.
    #[error("the receiver cancelled it")]
    Cancelled,
}
