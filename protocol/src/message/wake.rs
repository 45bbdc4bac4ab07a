//! `wake_up` and `wake_up_ack`: ask a peer's agent to go on with its work.

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::cbor::text_enum;
use crate::limits::MAX_TEXT_LEN;

/// Asks the peer to wake its agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WakeUp {
    /// Why.
    pub reason: String,
    /// Counts from 1 within one restart.
    pub attempt: u32,
}

impl WakeUp {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("reason", self.reason.len(), MAX_TEXT_LEN)
    }
}

/// What came of a wake-up at the peer's node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeOutcome {
    /// The agent has given back what only whoever was woken knows. Understood by peers that have the
    /// feature [`AGENT_LIFE`](super::AGENT_LIFE).
    Awake,
    /// An attached agent was told; no word from it yet.
    HandedToAgent,
    /// No agent is attached, and none could be started.
    NoAgent,
    /// The operator allows this peer no wake-ups.
    Refused,
}

impl WakeOutcome {
    /// The nearest word that every peer knows.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::Awake | Self::HandedToAgent => Self::HandedToAgent,
            Self::NoAgent => Self::NoAgent,
            Self::Refused => Self::Refused,
        }
    }
}

text_enum!(WakeOutcome {
    Awake = "awake",
    HandedToAgent = "handed_to_agent",
    NoAgent = "no_agent",
    Refused = "refused",
});

/// Answers a wake-up: what the node did, and whether the agent gave word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WakeUpAck {
    /// More, for people.
    pub detail: String,
    /// What came of it.
    pub outcome: WakeOutcome,
}

impl WakeUpAck {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("detail", self.detail.len(), MAX_TEXT_LEN)
    }
}
