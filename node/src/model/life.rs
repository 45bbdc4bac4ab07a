//! Whether a peer lives, and what came of waking it.

use peer_protocol::identity::EntityId;
use peer_protocol::message::{AgentLife, WakeOutcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Life;
use crate::error::NodeError;

/// What a peer's node knows of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It is attached, and there. (A node of before this word had others says it of any that is attached.)
    Attached,
    /// None is attached.
    Absent,
    /// One is attached, but did not answer its node in time.
    Unresponsive,
    /// One is attached that cannot be asked whether it is there.
    Unknown,
}

impl From<AgentLife> for AgentState {
    fn from(life: AgentLife) -> Self {
        match life {
            AgentLife::Attached => Self::Attached,
            AgentLife::Absent => Self::Absent,
            AgentLife::Unresponsive => Self::Unresponsive,
            AgentLife::Unknown => Self::Unknown,
        }
    }
}

/// How a wake-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WakeResult {
    /// The agent is awake, and has proved it.
    Awake,
    /// An attached agent was told, and has given no word yet.
    HandedToAgent,
    /// No agent is attached, and none could be woken.
    NoAgent,
    /// The peer's operator allows this node no wake-ups.
    Refused,
    /// Of an attempt: nothing was heard from the peer's node.
    Failed,
}

impl WakeResult {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Awake => "awake",
            Self::HandedToAgent => "handed_to_agent",
            Self::NoAgent => "no_agent",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether an agent was reached.
    #[must_use]
    pub const fn is_woken(self) -> bool {
        matches!(self, Self::Awake | Self::HandedToAgent)
    }
}

impl From<WakeOutcome> for WakeResult {
    fn from(outcome: WakeOutcome) -> Self {
        match outcome {
            WakeOutcome::Awake => Self::Awake,
            WakeOutcome::HandedToAgent => Self::HandedToAgent,
            WakeOutcome::NoAgent => Self::NoAgent,
            WakeOutcome::Refused => Self::Refused,
        }
    }
}

/// An agent's proof was taken: whoever asked for it is told that it is awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Awoken {
    /// Which rule of the configuration woke it, from 1.
    pub rule: usize,
    /// From the first request to the proof, in milliseconds.
    pub took_ms: u64,
    /// Who is told.
    #[schema(value_type = Vec<String>)]
    pub asked: Vec<EntityId>,
}

impl Life {
    /// Whether an agent may be there, as far as anybody can tell.
    #[must_use]
    pub const fn may_have_agent(&self) -> bool {
        self.alive && matches!(self.agent_state, Some(AgentState::Attached | AgentState::Unknown))
    }

    /// What it means that nothing was heard. That a peer does not answer is an answer; that nobody
    /// is known by the name is none.
    pub(crate) fn failed(error: NodeError) -> Result<Self, NodeError> {
        match error {
            NodeError::UnknownPeer { .. }
            | NodeError::NotFound { .. }
            | NodeError::BadAddress { .. } => Err(error),
            error => Ok(Self {
                alive: false,
                entity: None,
                agent: false,
                agent_state: None,
                agent_idle_ms: None,
                uptime_ms: None,
                round_trip_us: None,
                path: None,
                error: Some(error.to_string()),
            }),
        }
    }
}
