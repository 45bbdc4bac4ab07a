//! The local API itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the local API can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiStatus {
    /// The loopback address and port, if it listens on one besides its socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
}

/// The end of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogTail {
    /// Its last lines, the newest last. They say what happens to messages, and never what messages say.
    pub lines: Vec<String>,
}

/// It is done, and there is nothing to say about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {}
