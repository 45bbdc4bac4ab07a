//! What comes in for the agent.

use peer_protocol::identity::{EntityId, TrustLevel};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Content, Forwarded};

/// What a message is to whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncomingKind {
    /// Wants an answer.
    Task,
    /// Wants none.
    StatusReport,
    /// Asks the agent to go on.
    WakeUp,
    /// Answers a task that nobody waits for any more.
    Answer,
    /// A file.
    File,
}

impl IncomingKind {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::StatusReport => "status_report",
            Self::WakeUp => "wake_up",
            Self::Answer => "answer",
            Self::File => "file",
        }
    }
}

/// A message for the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incoming {
    /// Its id; a task is answered under it.
    pub message_id: String,
    /// Its number in the inbox, which it keeps until it is acknowledged; none for what is not kept
    /// there, and need not be acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_number: Option<u64>,
    /// Whether it is on disk, and comes again if it is not acknowledged.
    #[serde(default)]
    pub durable: bool,
    /// What it is.
    pub kind: IncomingKind,
    /// Who sent it.
    #[schema(value_type = String)]
    pub from: EntityId,
    /// The sender's peer id.
    pub from_peer_id: String,
    /// How the sender is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trust: Option<TrustLevel>,
    /// Whether it came end-to-end encrypted.
    pub encrypted: bool,
    /// When it came.
    #[schema(value_type = u64)]
    pub received_at: Timestamp,
    /// What it says: a task's content, a report's attachment, a wake-up's reason, an answer.
    pub content: Content,
    /// A report's status line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A report's next action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// A task's conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The task that an answer is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Of an answer, whether the peer's agent did what it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    /// Of a message that a gateway brings for a version 1.0 peer, who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
    /// A file, which lies on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ReceivedFile>,
    /// Of a wake-up that somebody waits for: what to give back, once, as the proof of being awake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_nonce: Option<String>,
}

/// A file that came in whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceivedFile {
    /// Its name, as its sender calls it; no path.
    pub name: String,
    /// Where it lies.
    pub path: String,
    /// Bytes in it.
    pub size: u64,
    /// BLAKE3 of it, in hexadecimal.
    pub digest: String,
}
