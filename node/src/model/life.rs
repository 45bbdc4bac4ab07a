//! Whether a peer lives.

use super::Life;
use crate::error::NodeError;

impl Life {
    /// What it means that nothing was heard. That a peer does not answer is an answer; that nobody
    /// is known by the name is none.
    pub(crate) fn failed(error: NodeError) -> Result<Self, NodeError> {
        match error {
            NodeError::UnknownPeer { .. }
            | NodeError::NotFound { .. }
            | NodeError::BadAddress { .. } => Err(error),
            error => Ok(Self {
                alive: false,
                entity: None,
                agent: false,
                agent_idle_ms: None,
                uptime_ms: None,
                round_trip_us: None,
                path: None,
                error: Some(error.to_string()),
            }),
        }
    }
}
