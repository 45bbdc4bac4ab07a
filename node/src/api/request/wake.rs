//! Requests of a woken agent, and of agents that are asked whether they are there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Give back the nonce that the agent was handed when it was woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Awake {
    /// 32 hexadecimal digits.
    pub nonce: String,
}

/// Wait to be asked whether the agent is there, and answer the last question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What the agent called itself when it subscribed to messages: 32 hexadecimal digits.
    pub agent: String,
    /// The last question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u64>,
}

/// What an agent is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probed {
    /// The question, to be given back within a second; none if there was none for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u64>,
}
