//! `heartbeat` and `heartbeat_ack`: does the node live, and does its agent?

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::cbor::text_enum;

/// Asks whether the peer lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {}

impl Heartbeat {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as for every body")]
    pub(super) const fn check(&self) -> Result<(), BodyError> {
        Ok(())
    }
}

/// What a node knows of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentLife {
    /// An agent is attached to the node, and is there now.
    Attached,
    /// No agent is attached.
    Absent,
    /// An agent is attached, but did not answer the node in time. As the next one, understood by peers that
    /// have the feature [`AGENT_LIFE`](super::AGENT_LIFE).
    Unresponsive,
    /// An agent is attached that cannot be asked whether it is there.
    Unknown,
}

impl AgentLife {
    /// The nearest word that every peer knows.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::Attached | Self::Unknown => Self::Attached,
            Self::Absent | Self::Unresponsive => Self::Absent,
        }
    }
}

text_enum!(AgentLife {
    Attached = "attached",
    Absent = "absent",
    Unresponsive = "unresponsive",
    Unknown = "unknown",
});

/// The node lives; what it knows of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatAck {
    /// The agent.
    pub agent: AgentLife,
    /// How long the node has been up, in milliseconds.
    pub uptime_ms: u64,
    /// Since the agent last did anything, in milliseconds; absent if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_idle_ms: Option<u64>,
}

impl HeartbeatAck {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as for every body")]
    pub(super) const fn check(&self) -> Result<(), BodyError> {
        Ok(())
    }
}
