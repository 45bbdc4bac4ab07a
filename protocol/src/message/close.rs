//! `session_close`: the session ends now, on purpose.

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::limits::MAX_TEXT_LEN;

/// Ends the session it is sealed in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClose {
    /// Why, for people.
    pub reason: String,
}

impl SessionClose {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("reason", self.reason.len(), MAX_TEXT_LEN)
    }
}
