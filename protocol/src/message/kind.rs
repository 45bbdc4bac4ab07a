//! The eighteen kinds of message, and what each costs.

use std::fmt;

use crate::rate_limit::RateClass;

/// The `type` of a message inside a sealed envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Asks for something and expects a result (talk).
    Task,
    /// The result of a task.
    TaskResult,
    /// Tells something and expects no result (report).
    StatusReport,
    /// Asks the peer's agent to go on with its work.
    WakeUp,
    /// What came of a wake-up.
    WakeUpAck,
    /// Asks whether the peer lives.
    Heartbeat,
    /// It does.
    HeartbeatAck,
    /// Asks what the peer can do.
    CapabilityQuery,
    /// What it can do.
    CapabilityResponse,
    /// Asks which entities the peer knows.
    Discovery,
    /// Those it knows.
    DiscoveryResponse,
    /// A piece of a larger payload.
    Chunk,
    /// How much of it has arrived.
    ChunkAck,
    /// Asks a mailbox node for something.
    Mailbox,
    /// What it says.
    MailboxResult,
    /// What became of messages.
    Receipt,
    /// A message was refused.
    Error,
    /// The session ends.
    SessionClose,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::Task,
        Self::TaskResult,
        Self::StatusReport,
        Self::WakeUp,
        Self::WakeUpAck,
        Self::Heartbeat,
        Self::HeartbeatAck,
        Self::CapabilityQuery,
        Self::CapabilityResponse,
        Self::Discovery,
        Self::DiscoveryResponse,
        Self::Chunk,
        Self::ChunkAck,
        Self::Mailbox,
        Self::MailboxResult,
        Self::Receipt,
        Self::Error,
        Self::SessionClose,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::TaskResult => "task_result",
            Self::StatusReport => "status_report",
            Self::WakeUp => "wake_up",
            Self::WakeUpAck => "wake_up_ack",
            Self::Heartbeat => "heartbeat",
            Self::HeartbeatAck => "heartbeat_ack",
            Self::CapabilityQuery => "capability_query",
            Self::CapabilityResponse => "capability_response",
            Self::Discovery => "discovery",
            Self::DiscoveryResponse => "discovery_response",
            Self::Chunk => "chunk",
            Self::ChunkAck => "chunk_ack",
            Self::Mailbox => "mailbox",
            Self::MailboxResult => "mailbox_result",
            Self::Receipt => "receipt",
            Self::Error => "error",
            Self::SessionClose => "session_close",
        }
    }

    /// The kind called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The bucket it draws on (§10); answers, acknowledgements and receipts cost nothing.
    #[must_use]
    pub const fn rate_class(self) -> Option<RateClass> {
        match self {
            Self::Task | Self::StatusReport | Self::WakeUp => Some(RateClass::Task),
            Self::Heartbeat => Some(RateClass::Heartbeat),
            Self::CapabilityQuery | Self::Discovery => Some(RateClass::Discovery),
            Self::Chunk => Some(RateClass::Chunk),
            Self::Mailbox => Some(RateClass::Mailbox),
            Self::TaskResult
            | Self::WakeUpAck
            | Self::HeartbeatAck
            | Self::CapabilityResponse
            | Self::DiscoveryResponse
            | Self::ChunkAck
            | Self::MailboxResult
            | Self::Receipt
            | Self::Error
            | Self::SessionClose => None,
        }
    }

    /// Whether an answer is likely to follow at once, so that it may ride in the same exchange.
    #[must_use]
    pub const fn expects_answer(self) -> bool {
        matches!(
            self,
            Self::Task
                | Self::WakeUp
                | Self::Heartbeat
                | Self::CapabilityQuery
                | Self::Discovery
                | Self::Mailbox
        )
    }

    /// Whether it answers a message of the peer, which it then names.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(
            self,
            Self::TaskResult
                | Self::WakeUpAck
                | Self::HeartbeatAck
                | Self::CapabilityResponse
                | Self::DiscoveryResponse
                | Self::MailboxResult
        )
    }

    /// Whether it may be kept and ordered (§8).
    #[must_use]
    pub const fn may_be_ordered(self) -> bool {
        matches!(self, Self::Task | Self::TaskResult | Self::StatusReport)
    }

    /// Whether the receiver acknowledges it. What is itself about other messages is not.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        !matches!(self, Self::Receipt | Self::Error | Self::SessionClose)
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
