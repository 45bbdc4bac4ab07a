//! What can be wrong with the store, and what to do next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::DatabaseError;
use thiserror::Error;

use super::bytes::Broken;

/// Why the store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The operating system refuses: permissions, a full disk, a broken one.
    #[error("cannot use the store {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system could not say that what was written is on disk. Nothing is written or read any more; what was
    /// being written may be there after a restart, or not.
    #[error(
        "the store {} is not used any more: the disk did not confirm what was written last ({reason})",
        path.display()
    )]
    Unsynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Its content makes no sense.
    #[error("the store {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// Another process has it open.
    #[error("another process uses the store {}", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version of this program.
    #[error("the store {} has the format {found}, which this version does not read", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

impl StoreError {
    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Unusable { .. } => "make room, or repair its permissions".to_owned(),
            Self::Unsynced { .. } => {
                "look after the disk, then restart the node: it goes on with what is on the \
                 disk, which may be a message that was refused meanwhile"
                    .to_owned()
            }
            Self::Damaged { path, .. } => format!(
                "restore it from a backup, or move {} away: messages that wait in it are lost then; \
                 known peers and the registry's records are learnt again, and key and trust list \
                 are in files of their own",
                path.display()
            ),
            Self::InUse { .. } => "stop that process".to_owned(),
            Self::Version { path, .. } => format!(
                "run the version that wrote it, or move {} away: messages that wait in it are lost \
                 then, and everything else is learnt again",
                path.display()
            ),
        }
    }

    pub(crate) fn unusable(path: &Path, reason: &impl ToString) -> Self {
        Self::Unusable { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn damaged(path: &Path, reason: &impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn opening(path: &Path, error: DatabaseError) -> Self {
        let path = path.to_owned();
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse { path },
            DatabaseError::UpgradeRequired(version) => {
                Self::Version { path, found: format!("redb {version}") }
            }
            DatabaseError::Storage(error) => Failed::from(error).at(&path),
            error => Self::damaged(&path, &error),
        }
    }
}

/// What went wrong, before it is said where.
#[derive(Debug)]
pub(super) enum Failed {
    Redb(redb::Error),
    Schema(String),
    Encoding(String),
    Row,
}

impl Failed {
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Redb(redb::Error::Io(error))
                if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                StoreError::damaged(path, &error)
            }
            Self::Redb(error @ (redb::Error::Io(_) | redb::Error::PreviousIo)) => {
                StoreError::unusable(path, &error)
            }
            Self::Redb(error) => StoreError::damaged(path, &error),
            Self::Schema(found) => StoreError::Version { path: path.to_owned(), found },
            Self::Encoding(reason) => StoreError::unusable(path, &reason),
            Self::Row => StoreError::damaged(path, &"a row makes no sense"),
        }
    }
}

impl From<Broken> for Failed {
    fn from(_: Broken) -> Self {
        Self::Row
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {
        $(impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
            }
        })+
    };
}

from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError
);
