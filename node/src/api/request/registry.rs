//! Requests to the registry.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use peer_protocol::registry::Capability;

use crate::error::NodeError;

/// Most listings that one search returns.
const MAX_LISTINGS: usize = 1000;
/// Most capabilities in one request.
const MAX_CAPABILITIES: usize = 32;

/// Register this entity anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Capabilities that it has from now on.
    #[serde(default)]
    pub add: Vec<String>,
    /// Capabilities that it gives up.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Look an entity up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Entity id, peer id or fingerprint.
    pub entity: String,
    /// Ask the registry even if it was asked a moment ago.
    #[serde(default)]
    pub fresh: bool,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Search for entities that have all of these capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Discover {
    /// At least one.
    pub capabilities: Vec<String>,
    /// Most entities to return, 1 to 1000; 100 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Discover {
    /// Entities returned if the request does not say.
    pub const DEFAULT_LIMIT: usize = 100;

    pub(in crate::api) fn limit(&self) -> Result<usize, NodeError> {
        match self.limit.unwrap_or(Self::DEFAULT_LIMIT) {
            limit @ 1..=MAX_LISTINGS => Ok(limit),
            limit => Err(NodeError::Invalid {
                detail: format!("a limit of {limit}: expected 1 to {MAX_LISTINGS}"),
            }),
        }
    }
}

/// Capabilities by name.
pub(in crate::api) fn capabilities(names: &[String]) -> Result<Vec<Capability>, NodeError> {
    if names.len() > MAX_CAPABILITIES {
        let count = names.len();
        let detail = format!("{count} capabilities: at most {MAX_CAPABILITIES} are taken");
        return Err(NodeError::Invalid { detail });
    }
    let parse = |name: &String| {
        name.parse().map_err(|error| NodeError::Invalid { detail: format!("{name:?}: {error}") })
    };
    names.iter().map(parse).collect()
}
