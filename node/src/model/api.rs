//! The local API itself.

use serde::{Deserialize, Serialize};

/// Where the local API can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiStatus {
    /// The loopback address and port, if it listens on one besides its socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
}
