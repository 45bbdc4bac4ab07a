//! What requests to the local API carry. Unknown fields are refused: a misspelt one would otherwise
//! be ignored without a word.

mod delivery;
mod registry;
mod transfers;
mod wake;

use std::time::Duration;

use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::limits::{MAX_CONTENT_LEN, MAX_LONG_CONTENT_LEN};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::NodeError;
use crate::model::{Content, Wait};

pub(super) use delivery::ttl;
pub use delivery::{Acknowledge, Inbox, Outbox, RetryPeer};
pub(super) use registry::capabilities;
pub use registry::{Discover, Lookup, Register};
pub use transfers::Send;
pub use wake::{Awake, Probe, Probed};

/// How long a request waits for a peer if it does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time a request may wait for a peer.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Most attempts of one restart.
const MAX_ATTEMPTS: u32 = 100;

/// Dial an address and open a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// A multiaddress.
    pub address: String,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Listen for messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Subscription {
    /// 32 hexadecimal digits, chosen at random: under this name the subscriber can be asked whether it is
    /// there, by `POST /v1/probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// End after this many; all others stay for the next listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Hand over all that waits, whatever `Last-Event-ID` says.
    #[serde(default)]
    pub again: bool,
}

/// Follow what happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Events {
    /// Only these kinds, separated by commas, as [`NodeEvent::kind`](crate::NodeEvent::kind) names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
}

/// That the node knows the token is to be proved; a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Prove {
    /// 32 to 64 hexadecimal digits, new ones each time.
    pub nonce: String,
}

/// Which lines of the log; a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Log {
    /// The last so many, 1 to 1000; 100 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub lines: Option<usize>,
}

/// Ask a peer, and wait for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Talk {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// What is asked.
    pub content: Content,
    /// Ties several tasks together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// How long to wait for the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long the node keeps trying, in milliseconds, at most 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Keep it in memory only, and give it up when the time to wait is over.
    #[serde(default)]
    pub volatile: bool,
}

/// Tell a peer how things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// How things stand.
    pub status: String,
    /// What comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// Anything that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What to wait for; `delivered` if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// How long the node keeps trying, in milliseconds, at most 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// Ask whether a peer lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alive {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Ask a peer to wake its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Check a peer and wake its agent, with several attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Most attempts, 1 to 100; 3 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long to wait for each answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Answer a task that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The task's id.
    pub message_id: String,
    /// The answer, or why there is none.
    pub content: Content,
    /// Whether the agent did it.
    pub done: bool,
}

/// Trust an entity under a key whose fingerprint the operator has compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The entity.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// Its key's fingerprint.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
}

/// Withdraw trust from a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// An entity id or a fingerprint.
    pub who: String,
}

/// A request that brings a content.
pub(super) trait Brings {
    /// Its content, if it has one.
    fn content(&mut self) -> Option<&mut Content>;
}

impl Brings for Talk {
    fn content(&mut self) -> Option<&mut Content> {
        Some(&mut self.content)
    }
}

impl Brings for Report {
    fn content(&mut self) -> Option<&mut Content> {
        self.content.as_mut()
    }
}

impl Brings for Reply {
    fn content(&mut self) -> Option<&mut Content> {
        Some(&mut self.content)
    }
}

impl Restart {
    /// Attempts if the request does not say.
    pub const DEFAULT_ATTEMPTS: u32 = 3;

    pub(super) fn attempts(&self) -> Result<u32, NodeError> {
        match self.attempts.unwrap_or(Self::DEFAULT_ATTEMPTS) {
            attempts @ 1..=MAX_ATTEMPTS => Ok(attempts),
            attempts => Err(NodeError::Invalid {
                detail: format!("{attempts} attempts: expected 1 to {MAX_ATTEMPTS}"),
            }),
        }
    }
}

/// The time that a request allows.
pub(super) fn timeout(millis: Option<u64>) -> Result<Duration, NodeError> {
    let timeout = millis.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        let most = MAX_TIMEOUT.as_millis();
        return Err(NodeError::Invalid {
            detail: format!("a timeout of {} ms: expected 1 to {most}", timeout.as_millis()),
        });
    }
    Ok(timeout)
}

/// A request that makes no sense.
pub(super) fn invalid(error: &impl ToString) -> NodeError {
    NodeError::Invalid { detail: error.to_string() }
}

/// Content that one message can carry.
pub(super) fn content(content: Content) -> Result<Content, NodeError> {
    let len = content.len_hint();
    check_len(len)?;
    // A longer one is looked at when it is written to disk.
    if len <= MAX_CONTENT_LEN {
        content.to_bytes().map_err(|error| NodeError::Invalid { detail: error.to_string() })?;
    }
    Ok(content)
}

fn check_len(len: usize) -> Result<(), NodeError> {
    if len > MAX_LONG_CONTENT_LEN {
        return Err(NodeError::TooLarge {
            detail: format!(
                "the content has {len} bytes, and one message carries at most {MAX_LONG_CONTENT_LEN} (64 MiB)"
            ),
        });
    }
    Ok(())
}
