//! Where transfers lie that are under way. Everything is for its owner's eyes only.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use peer_protocol::identity::EntityId;
use peer_protocol::message::Purpose;

use super::names::directory_name;
use super::row::Key;
use crate::config::TransferConfig;

/// The directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    root: PathBuf,
    received: PathBuf,
}

impl Places {
    /// Those of the configuration, if it names any.
    pub(crate) fn of(config: &TransferConfig) -> Option<Self> {
        let root = config.root.clone()?;
        let received = config.received.clone().unwrap_or_else(|| root.join("received"));
        Some(Self { root, received })
    }

    /// Makes them.
    pub(crate) fn create(&self) -> io::Result<()> {
        for directory in [self.parts(), self.contents(), self.spool()] {
            private(&directory)?;
        }
        Ok(())
    }

    /// Files that arrive. On the file system on which they are put down, so that they can be moved.
    pub(super) fn parts(&self) -> PathBuf {
        self.received.join(".parts")
    }

    /// Contents of messages that arrive, or wait for their message.
    pub(super) fn contents(&self) -> PathBuf {
        self.root.join("contents")
    }

    /// What is sent and lies nowhere else.
    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Where a transfer that arrives is written.
    pub(super) fn part(&self, key: &Key, purpose: Purpose) -> PathBuf {
        let peer = hex::encode(key.peer.get(..8).unwrap_or_default());
        let name = format!("{peer}-{}", key.id);
        match purpose {
            Purpose::File => self.parts().join(format!("{name}.part")),
            Purpose::Content => self.contents().join(name),
        }
    }

    /// Where the files of a peer are put down.
    pub(super) fn of_peer(&self, entity: &EntityId, peer: &[u8; 32]) -> PathBuf {
        self.received.join(directory_name(entity.as_str(), peer))
    }
}

/// Makes a directory, and those above it, with mode 0700.
pub(super) fn private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
