//! The place of a message among all that one entity sends another (§8.2).

use serde::{Deserialize, Serialize};

use crate::id::StreamId;

/// The `order` of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The greatest lower number that the sender still keeps unsettled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Its place in the stream.
    pub number: u64,
    /// The stream.
    pub stream: StreamId,
}

/// How far a receiver has come with one sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The current stream; `None` before the first message.
    pub stream: Option<StreamId>,
    /// The number after the last one that was taken.
    pub next: u64,
    /// Streams that are over, the oldest first; at most [`MAX_DEAD_STREAMS`].
    ///
    /// [`MAX_DEAD_STREAMS`]: crate::limits::MAX_DEAD_STREAMS
    pub dead: Vec<StreamId>,
}
