//! Requests about messages that are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::model::{InboxFilter, OutboxFilter};

/// Which messages of the outbox; a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Outbox {
    /// To this peer only: entity id, peer id or fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Those that were settled lately, too; then the newest come first.
    #[serde(default)]
    pub all: bool,
    /// Those that follow: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most messages in the answer, 1 to 1000; 100 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Which messages of the inbox; a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Inbox {
    /// From this peer only: entity id, peer id or fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Those after this number, such as `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Most messages in the answer, 1 to 1000; 100 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// Tell that the agent took messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Which, 1 to 1000: numbers such as `n17`, ids, or how those begin.
    pub ids: Vec<String>,
}

/// Try all that waits for a peer again at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPeer {
    /// Entity id, peer id or fingerprint.
    pub peer: String,
}

impl From<Outbox> for OutboxFilter {
    fn from(ask: Outbox) -> Self {
        let Outbox { peer, all, after, limit } = ask;
        Self { peer, all, after, limit: limit.unwrap_or(Self::DEFAULT_LIMIT) }
    }
}

impl From<Inbox> for InboxFilter {
    fn from(ask: Inbox) -> Self {
        let Inbox { from, after, limit } = ask;
        Self { from, after, limit: limit.unwrap_or(Self::DEFAULT_LIMIT) }
    }
}

/// A time to live; whether it is too long is for the node to say.
pub(in crate::api) fn ttl(millis: Option<u64>) -> Option<Duration> {
    millis.map(Duration::from_millis)
}
