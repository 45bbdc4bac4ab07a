//! What files a node takes, from whom, and where they go (`docs/PROTOCOL.md` §9.3).

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidSetting, NodeConfig, parse_size};

/// Whose files are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AcceptFiles {
    /// Nobody's.
    None,
    /// Those of pinned peers.
    #[default]
    Pinned,
    /// Those of peers on the trust list, revoked ones excepted.
    Known,
    /// Everybody's who may speak to this node.
    All,
}

impl AcceptFiles {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pinned => "pinned",
            Self::Known => "known",
            Self::All => "all",
        }
    }
}

impl FromStr for AcceptFiles {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::None, Self::Pinned, Self::Known, Self::All];
        all.into_iter().find(|word| word.as_str() == text).ok_or_else(|| InvalidSetting::Word {
            given: text.to_owned(),
            known: &["none", "pinned", "known", "all"],
        })
    }
}

/// What is taken, and where it goes. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferConfig {
    /// A private directory for what is under way; without one the node takes no transfers, and sends
    /// files only.
    pub root: Option<PathBuf>,
    /// Where files go that were received, each in a directory named for its sender; in `root` if there
    /// is none.
    pub received: Option<PathBuf>,
    /// Whose files are taken.
    pub accept: AcceptFiles,
    /// Whether contents are taken that go ahead of their messages (§9.4).
    pub contents: bool,
    /// Largest file that is taken.
    pub max_file: u64,
    /// Most bytes of one peer: files that arrive, and those that lie where they arrived.
    pub per_peer: u64,
    /// The same for all peers together.
    pub total: u64,
    /// Bytes of the disk that stay free.
    pub reserve: u64,
    /// Most transfers of one peer that are open at once.
    pub open_per_peer: usize,
    /// The same for all peers together.
    pub open: usize,
}

impl Default for TransferConfig {
    fn default() -> Self {
        Self {
            root: None,
            received: None,
            accept: AcceptFiles::default(),
            contents: true,
            max_file: 16 << 30,
            per_peer: 64 << 30,
            total: 256 << 30,
            reserve: 1 << 30,
            open_per_peer: 16,
            open: 128,
        }
    }
}

/// The table `[transfers]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TransferSettings {
    /// Whose files are taken: `none`, `pinned`, `known` (all on the trust list) or `all`.
    pub accept_files: Option<String>,
    /// Where received files go, each in a directory named for its sender; else `received` in the data
    /// directory.
    pub received_dir: Option<PathBuf>,
    /// Largest file that is taken, such as `16GiB`.
    pub max_file: Option<String>,
    /// Most bytes of one peer that arrive, or lie where they arrived.
    pub max_per_peer: Option<String>,
    /// The same for all peers together.
    pub max_received: Option<String>,
    /// Bytes of the disk that stay free.
    pub disk_reserve: Option<String>,
    /// Most open transfers of one peer.
    pub max_open_per_peer: Option<usize>,
    /// Most open transfers of all peers together.
    pub max_open: Option<usize>,
}

impl TransferSettings {
    pub(super) const fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                accept_files: None,
                received_dir: None,
                max_file: None,
                max_per_peer: None,
                max_received: None,
                disk_reserve: None,
                max_open_per_peer: None,
                max_open: None,
            }
        )
    }
}

pub(super) fn bytes(text: &str) -> Result<u64, InvalidSetting> {
    parse_size(text).map_err(InvalidSetting::from)
}

pub(super) const fn count(count: usize) -> Result<usize, InvalidSetting> {
    if count == 0 { Err(InvalidSetting::Zero) } else { Ok(count) }
}

impl NodeConfig {
    /// What files are taken, and where they go.
    #[must_use]
    pub const fn transfers(&self) -> &TransferConfig {
        &self.transfers
    }

    /// Sets what files are taken, and where they go.
    #[must_use]
    pub fn with_transfers(mut self, transfers: TransferConfig) -> Self {
        self.transfers = transfers;
        self
    }

    /// Keeps what is under way in `root`, and what was received in `received` if the configuration names
    /// no other place.
    #[must_use]
    pub fn with_transfer_dirs(mut self, root: PathBuf, received: PathBuf) -> Self {
        self.transfers.root = Some(root);
        self.transfers.received.get_or_insert(received);
        self
    }
}
