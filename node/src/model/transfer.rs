//! Files and large contents on their way (`docs/PROTOCOL.md` §9).

use std::path::PathBuf;

use peer_protocol::error::ErrorCode;
use peer_protocol::identity::EntityId;
use peer_protocol::message::Purpose;
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which way a transfer goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TransferDirection {
    /// From this node.
    Outgoing,
    /// To this node.
    Incoming,
}

impl TransferDirection {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Incoming => "incoming",
        }
    }
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Others to the same peer go first.
    Queued,
    /// The file is read for the first time.
    Hashing,
    /// The receiver was offered it, and has not answered yet.
    Offered,
    /// It is on its way.
    Running,
    /// All is there; its digest is checked.
    Verifying,
    /// The receiver has the whole, on disk.
    Complete,
    /// Either side gave up.
    Cancelled,
    /// It will not arrive.
    Failed,
}

impl TransferState {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Hashing => "hashing",
            Self::Offered => "offered",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will come of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToSend {
    /// An absolute path. The node itself reads the file.
    pub path: PathBuf,
    /// A directory without links in its path, below which the file has to lie; then no link is followed on the
    /// way from there to the file.
    pub root: Option<PathBuf>,
    /// The name that the receiver is told; that of the path if there is none.
    pub name: Option<String>,
    /// Its media type; `application/octet-stream` if there is none.
    pub content_type: Option<String>,
    /// Whether it lies in the node's spool, and is deleted once it was sent.
    pub spooled: bool,
}

/// A transfer, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferStatus {
    /// Its id.
    pub id: String,
    /// Which way it goes.
    pub direction: TransferDirection,
    /// The other side.
    #[schema(value_type = String)]
    pub peer: EntityId,
    /// The other side's peer id.
    pub peer_id: String,
    /// What it is for.
    #[schema(value_type = String)]
    pub purpose: Purpose,
    /// The file's name; none for a content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the file lies here; not before it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes in it.
    pub size: u64,
    /// Bytes that the receiver has on disk; while hashing, bytes that were read.
    pub done: u64,
    /// Bytes per second, lately.
    pub rate: u64,
    /// Where it stands.
    pub state: TransferState,
    /// The protocol's code, if the other side refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub code: Option<ErrorCode>,
    /// Why it failed, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// BLAKE3 of the whole, in hexadecimal, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it began.
    #[schema(value_type = u64)]
    pub created: Timestamp,
    /// When something last came of it.
    #[schema(value_type = u64)]
    pub updated: Timestamp,
}
