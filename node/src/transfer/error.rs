//! Why this node cannot send something, or stops.

use std::io;
use std::path::{Path, PathBuf};

use peer_protocol::error::ErrorCode;
use peer_protocol::transfer::BadName;
use thiserror::Error;

/// Why this side ends a transfer, or does not begin one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransferFailure {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not a regular file.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// What it is instead.
        path: PathBuf,
    },
    /// It is not as it was when it was hashed.
    #[error("{} changed while it was sent", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than any transfer of its kind.
    #[error("{} has {size} bytes, too many for one transfer", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// Its name cannot travel.
    #[error("{name:?} cannot be sent under that name: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: BadName,
    },
    /// Too many wait already.
    #[error("{open} transfers are open already")]
    TooMany {
        /// How many.
        open: usize,
    },
    /// There is no room for it.
    #[error("{detail}")]
    Full {
        /// Which bound was reached.
        detail: String,
    },
    /// The node has no directory for it.
    #[error("this node has no directory for transfers")]
    Off,
    /// Its disk fails.
    #[error("the disk fails: {reason}")]
    Disk {
        /// How.
        reason: String,
    },
    /// There is no such transfer.
    #[error("no transfer {id:?}")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// Several begin like that.
    #[error("{count} transfers begin with {id:?}")]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// How many.
        count: usize,
    },
    /// It is over.
    #[error("transfer {id} is {state} already")]
    Over {
        /// Its id.
        id: String,
        /// Where it stands.
        state: &'static str,
    },
    /// It cannot be sent again.
    #[error("transfer {id} cannot be tried again: {why}")]
    NotRetried {
        /// Its id.
        id: String,
        /// Why.
        why: &'static str,
    },
    /// The peer cannot be sent it.
    #[error("{detail}")]
    Refused {
        /// The protocol's code, where it has one.
        code: Option<ErrorCode>,
        /// Why.
        detail: String,
    },
}

impl TransferFailure {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), reason: error.to_string() }
    }

    /// A stable word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NotAFile { .. } => "unreadable",
            Self::Changed { .. } => "file_changed",
            Self::TooLarge { .. } => "too_large",
            Self::Name { .. } => "bad_name",
            Self::TooMany { .. } | Self::Full { .. } => "queue_full",
            Self::Off => "transfers_off",
            Self::Disk { .. } => "storage",
            Self::Unknown { .. } => "no_such_transfer",
            Self::Ambiguous { .. } | Self::Refused { .. } => "invalid",
            Self::Over { .. } | Self::NotRetried { .. } => "transfer_over",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NotAFile { .. } => {
                "check that the node's user can read it; the node reads the file, not the command"
            }
            Self::Changed { .. } => "send it again once nobody writes to it",
            Self::TooLarge { .. } => "send less, or split it",
            Self::Name { .. } => "give another: `--name <name>`",
            Self::TooMany { .. } => "wait until some are done: `peer transfers`",
            Self::Full { .. } => "wait until the peer has taken some: `peer outbox`",
            Self::Off => "give the node a data directory",
            Self::Disk { .. } => "make room in, or repair the permissions of, the data directory",
            Self::Unknown { .. } | Self::Ambiguous { .. } => "see `peer transfers list --all`",
            Self::Over { .. } => "see `peer transfers show <id>`",
            Self::NotRetried { .. } => "send it anew: `peer send <peer> <file>`",
            Self::Refused { .. } => "correct it and try again",
        }
    }

    /// The protocol's code, where it has one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }
}
