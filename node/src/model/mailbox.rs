//! How the mailbox stands, for people and programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the mailbox stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailboxStatus {
    /// Whose mailbox this node is: `none`, `pinned`, `known` or `all`.
    pub serve: String,
    /// Peers whose mailbox it is.
    pub owners: usize,
    /// Items that it keeps for them.
    pub items: usize,
    /// Their bytes.
    pub bytes: u64,
    /// This node's own mailbox nodes.
    pub nodes: Vec<MailboxNodeStatus>,
    /// Messages of this node that lie in others' mailboxes.
    pub lying: Vec<LyingStatus>,
}

/// One of a node's own mailbox nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailboxNodeStatus {
    /// The node.
    pub peer_id: String,
    /// One-time prekeys that it has left; absent if it did not answer in this run.
    pub prekeys_left: Option<u64>,
    /// Items that waited there when it was asked last.
    pub items_waiting: Option<u64>,
    /// Receipts for others that it is still to be told.
    #[serde(default)]
    pub receipts_owed: usize,
}

/// Messages that lie at one of their receiver's mailbox nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LyingStatus {
    /// The receiver.
    pub peer_id: String,
    /// The mailbox node.
    pub node: String,
    /// How many.
    pub messages: usize,
}
