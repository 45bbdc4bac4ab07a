//! What the local API tells of what happens.

use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::events::NodeEvent;

/// Something that happened, such as `{"at": 1700000000000, "event": "connected", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventLine {
    /// When.
    #[schema(value_type = u64)]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: NodeEvent,
}

/// Why events are missing before this one. Whoever follows them reads the node's state anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The last one that was seen is of another run of the node.
    OtherRun,
    /// What followed the last one that was seen is not kept any more.
    TooOld,
}

/// The data of an event `reset`, such as `{"event": "reset", "reason": "too_old"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename = "reset")]
pub struct Reset {
    /// Why.
    pub reason: ResetReason,
}
