//! `capability_query` and `capability_response`: what can the peer do?

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::limits::MAX_NAME_LEN;

/// Asks for capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityQuery {
    /// Those in question; empty asks for all.
    pub names: Vec<String>,
}

impl CapabilityQuery {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        check_names("names", &self.names)
    }
}

/// Lists capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityResponse {
    /// Those that the peer has, of those in question.
    pub capabilities: Vec<String>,
}

impl CapabilityResponse {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        check_names("capabilities", &self.capabilities)
    }
}

/// Checks a list of names.
pub(super) fn check_names(field: &'static str, names: &[String]) -> Result<(), BodyError> {
    BodyError::entries(field, names.len())?;
    names.iter().try_for_each(|name| BodyError::bytes(field, name.len(), MAX_NAME_LEN))
}
