//! Where messages are on their way: the outbox, the inbox, the trace of one (`docs/PROTOCOL.md` §8).

mod filter;
mod options;
mod waits_for;

use peer_protocol::delivery::{self, Step};
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::EntityId;
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Content, IncomingKind};

pub use filter::{InboxFilter, OutboxFilter, Page};
pub use options::{MAX_TTL, ReportOptions, TalkOptions, Wait};
pub use waits_for::WaitsFor;

/// How far a message is known to have come, as [`Status`](delivery::Status) defines it; `received` is what
/// volatile messages, and peers of version 1.0, can say at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Delivery {
    /// Waits here, on disk; certainly not sent.
    Queued,
    /// May have been sent.
    Sent,
    /// The peer's node holds it in memory.
    Received,
    /// It is durable at the peer.
    Delivered,
    /// The peer's agent took it.
    Processed,
    /// Its time ran out, and it was certainly never sent.
    Expired,
    /// It may have been sent, and nobody can tell what became of it.
    Unknown,
    /// The peer refused it for good.
    Failed {
        /// The protocol's code.
        #[schema(value_type = String)]
        code: ErrorCode,
        /// More, for people.
        detail: String,
    },
    /// It was cancelled, and was certainly never sent.
    Cancelled,
}

impl Delivery {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Delivered => "delivered",
            Self::Processed => "processed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the node is done with sending it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Queued | Self::Sent)
    }

    /// Whether it has come as far as `wait` asks for.
    #[must_use]
    pub const fn reaches(&self, wait: Wait) -> bool {
        match wait {
            Wait::Queued => !matches!(
                self,
                Self::Expired | Self::Unknown | Self::Failed { .. } | Self::Cancelled
            ),
            Wait::Delivered => matches!(self, Self::Delivered | Self::Processed),
            Wait::Processed => matches!(self, Self::Processed),
        }
    }
}

impl From<delivery::Status> for Delivery {
    fn from(status: delivery::Status) -> Self {
        match status {
            delivery::Status::Queued => Self::Queued,
            delivery::Status::Sent => Self::Sent,
            delivery::Status::Delivered => Self::Delivered,
            delivery::Status::Processed => Self::Processed,
            delivery::Status::Expired => Self::Expired,
            delivery::Status::Unknown => Self::Unknown,
            delivery::Status::Failed { code, detail } => Self::Failed { code, detail },
            delivery::Status::Cancelled => Self::Cancelled,
        }
    }
}

/// What became of a report by the time its caller waited no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reported {
    /// The report's id.
    pub message_id: String,
    /// How far it has come.
    #[serde(flatten)]
    pub status: Delivery,
    /// Until when the node keeps trying; none if the report is not kept on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub expires: Option<Timestamp>,
    /// Why it has come no further, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// A message that this node sends, or has sent lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxLine {
    /// Its id.
    pub message_id: String,
    /// Its receiver.
    #[schema(value_type = String)]
    pub peer: EntityId,
    /// The receiver's peer id.
    pub peer_id: String,
    /// What it is to its receiver.
    pub kind: IncomingKind,
    /// Its body, in bytes.
    pub size: u64,
    /// How far it has come.
    #[serde(flatten)]
    pub status: Delivery,
    /// When it was accepted.
    #[schema(value_type = u64)]
    pub created: Timestamp,
    /// When its time runs out.
    #[schema(value_type = u64)]
    pub expires: Timestamp,
    /// How often it was sent since the node started; of what was sent only before that, 1.
    pub attempts: u32,
    /// Its place among all messages to this receiver; they arrive in this order.
    pub number: u64,
    /// Why it has come no further, in plain words; nothing once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// A message of the outbox with what it says. Once it is settled only its line is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxMessage {
    /// Where it is.
    pub message: OutboxLine,
    /// Its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// A report's status line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A report's next action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// A task's conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The task that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
}

/// What is tried again at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// The receiver.
    #[schema(value_type = String)]
    pub peer: EntityId,
    /// Its peer id.
    pub peer_id: String,
    /// Messages that wait for it.
    pub messages: u64,
}

/// A message that waits for the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxLine {
    /// Its number; messages of all senders are handed over in this order.
    pub number: u64,
    /// Its id.
    pub message_id: String,
    /// Who sent it.
    #[schema(value_type = String)]
    pub from: EntityId,
    /// The sender's peer id.
    pub from_peer_id: String,
    /// What it is.
    pub kind: IncomingKind,
    /// A file's name, if its content is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its body and a content that came ahead of it, in bytes.
    pub size: u64,
    /// When it came.
    #[schema(value_type = u64)]
    pub received_at: Timestamp,
    /// Whether an agent that is there now was handed it, and has not acknowledged it yet.
    pub handed: bool,
}

/// What came of an acknowledgement. Each entry of the request is in exactly one of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// Ids of messages that left the inbox just now.
    pub ids: Vec<String>,
    /// Ids of those that had been acknowledged before.
    pub already: Vec<String>,
    /// What names no message, as the request has it.
    pub unknown: Vec<String>,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From this node.
    Sent,
    /// To this node.
    Received,
}

/// The way of a message, as far as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// Its id.
    pub message_id: String,
    /// Which way it goes.
    pub direction: Direction,
    /// The other side.
    #[schema(value_type = String)]
    pub peer: EntityId,
    /// The other side's peer id.
    pub peer_id: String,
    /// What it is to its receiver.
    pub kind: IncomingKind,
    /// Its body, in bytes.
    pub size: u64,
    /// How far it has come.
    #[serde(flatten)]
    pub status: Delivery,
    /// When it was accepted here, or came in.
    #[schema(value_type = u64)]
    pub created: Timestamp,
    /// When its time runs out; known to its sender only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub expires: Option<Timestamp>,
    /// Its place among all messages from this sender to this receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Its number in the inbox, if it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_number: Option<u64>,
    /// Why it has come no further, in plain words; nothing once it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What happened to it, the oldest first.
    pub steps: Vec<TraceStep>,
}

/// A step of a trace, such as `{"at": 1700000000000, "step": "became", "status": "delivered"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceStep {
    /// When.
    #[schema(value_type = u64)]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub step: Step,
}
