//! What of outbox and inbox is asked for, and how it comes: in pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// How many there are in all that match.
    pub total: u64,
    /// What to give as `after` to get those that follow; none if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which messages of the outbox. Those that wait come as they are sent, the oldest first; with `all` it is a
/// history, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxFilter {
    /// To this peer only.
    pub peer: Option<String>,
    /// Those that were settled lately, too.
    pub all: bool,
    /// Those after this point, which [`Page::next`] named.
    pub after: Option<String>,
    /// Most messages in the answer, 1 to [`Self::MAX_LIMIT`].
    pub limit: usize,
}

/// Which messages of the inbox. They come as they are handed over, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxFilter {
    /// From this peer only.
    pub from: Option<String>,
    /// Those after this number.
    pub after: Option<u64>,
    /// Most messages in the answer, 1 to [`Self::MAX_LIMIT`].
    pub limit: usize,
}

macro_rules! limits {
    ($filter:ident) => {
        impl $filter {
            /// Messages in an answer if nothing is said.
            pub const DEFAULT_LIMIT: usize = 100;
            /// Most messages in one answer.
            pub const MAX_LIMIT: usize = 1000;
        }
    };
}

limits!(OutboxFilter);
limits!(InboxFilter);

impl Default for OutboxFilter {
    fn default() -> Self {
        Self { peer: None, all: false, after: None, limit: Self::DEFAULT_LIMIT }
    }
}

impl Default for InboxFilter {
    fn default() -> Self {
        Self { from: None, after: None, limit: Self::DEFAULT_LIMIT }
    }
}
