//! What a caller may say of the delivery of what it sends.

use std::time::Duration;

use peer_protocol::limits::MAX_MESSAGE_TTL;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest time to live (`docs/PROTOCOL.md` §8.1).
pub const MAX_TTL: Duration = MAX_MESSAGE_TTL;
/// How long a caller waits if it does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How far a message has to come until its caller waits no longer.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// It is on disk here.
    Queued,
    /// It is durable at the peer.
    #[default]
    Delivered,
    /// The peer's agent took it.
    Processed,
}

impl Wait {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Processed => "processed",
        }
    }
}

/// How a report is delivered. A [`Duration`] stands for a timeout and the rest as by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportOptions {
    /// How long the node keeps trying, at most [`MAX_TTL`]; `None` as the node is configured.
    pub ttl: Option<Duration>,
    /// What the caller waits for.
    pub wait: Wait,
    /// How long it waits at most.
    pub timeout: Duration,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self { ttl: None, wait: Wait::default(), timeout: TIMEOUT }
    }
}

impl From<Duration> for ReportOptions {
    fn from(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }
}

/// How a task is delivered. A [`Duration`] stands for a timeout and the rest as by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkOptions {
    /// How long the node keeps trying, at most [`MAX_TTL`]; `None` as the node is configured.
    pub ttl: Option<Duration>,
    /// Kept in memory only, and given up when the timeout passes.
    pub volatile: bool,
    /// How long the caller waits for the answer.
    pub timeout: Duration,
}

impl Default for TalkOptions {
    fn default() -> Self {
        Self { ttl: None, volatile: false, timeout: TIMEOUT }
    }
}

impl From<Duration> for TalkOptions {
    fn from(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }
}
