//! What is remembered of a transfer across restarts.

use std::path::PathBuf;

use peer_protocol::error::ErrorCode;
use peer_protocol::id::TransferId;
use peer_protocol::identity::EntityId;
use peer_protocol::message::Offer;
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::TransferDirection;

/// Names a transfer: two peers may draw the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) direction: TransferDirection,
    /// The other side's key.
    pub(crate) peer: [u8; 32],
    pub(crate) id: TransferId,
}

impl Key {
    pub(crate) const fn incoming(peer: [u8; 32], id: TransferId) -> Self {
        Self { direction: TransferDirection::Incoming, peer, id }
    }

    pub(crate) const fn outgoing(peer: [u8; 32], id: TransferId) -> Self {
        Self { direction: TransferDirection::Outgoing, peer, id }
    }
}

/// Where a transfer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Not over.
    Open,
    /// The receiver has the whole.
    Complete,
    /// Either side gave up.
    Cancelled {
        /// Why, for people.
        detail: String,
    },
    /// It will not arrive.
    Failed {
        /// The protocol's code, where it has one.
        code: Option<ErrorCode>,
        /// Why, for people.
        detail: String,
    },
}

impl Stage {
    pub(crate) const fn is_over(&self) -> bool {
        !matches!(self, Self::Open)
    }
}

/// The file that is sent, as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The directory below which it has to lie, reached without a link.
    #[serde(default)]
    pub(crate) root: Option<PathBuf>,
    /// Whether the node made it, and deletes it afterwards.
    pub(crate) spooled: bool,
    pub(crate) size: u64,
    /// Seconds and nanoseconds since the Unix epoch.
    pub(crate) modified: (i64, i64),
}

/// A transfer that this node sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutgoingRow {
    pub(crate) id: TransferId,
    #[serde(with = "serde_bytes")]
    pub(crate) peer: [u8; 32],
    /// What the peer was called.
    pub(crate) entity: EntityId,
    pub(crate) source: Source,
    /// What is offered; the digest is all zeros until the file was hashed.
    pub(crate) offer: Offer,
    pub(crate) hashed: bool,
    pub(crate) piece_len: u32,
    /// Bytes that the receiver had when it last told.
    pub(crate) received: u64,
    pub(crate) stage: Stage,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// A transfer that this node receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IncomingRow {
    pub(crate) id: TransferId,
    #[serde(with = "serde_bytes")]
    pub(crate) peer: [u8; 32],
    pub(crate) entity: EntityId,
    pub(crate) offer: Offer,
    pub(crate) total: u64,
    /// Bytes on disk without a gap.
    pub(crate) received: u64,
    /// Where the file is put down: written before it is moved, so that a crash in between is found out.
    pub(crate) path: Option<PathBuf>,
    /// Whether the agent was told, or a content was taken.
    pub(crate) announced: bool,
    /// Whether the message of a content is here: it stays until that was taken.
    #[serde(default)]
    pub(crate) claimed: bool,
    pub(crate) stage: Stage,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Row {
    Outgoing(OutgoingRow),
    Incoming(IncomingRow),
}

impl Row {
    pub(crate) const fn key(&self) -> Key {
        match self {
            Self::Outgoing(row) => Key::outgoing(row.peer, row.id),
            Self::Incoming(row) => Key::incoming(row.peer, row.id),
        }
    }

    pub(crate) const fn updated(&self) -> Timestamp {
        match self {
            Self::Outgoing(row) => row.updated,
            Self::Incoming(row) => row.updated,
        }
    }
}
