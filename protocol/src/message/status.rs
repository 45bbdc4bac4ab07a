//! `status_report`: tell a peer how things stand.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::id::TransferId;
use crate::limits::{MAX_CONTENT_LEN, MAX_NAME_LEN, MAX_TEXT_LEN};

/// A progress report; nobody waits for an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusReport<'a> {
    /// How things stand.
    pub status: String,
    /// Anything that goes with it; empty if nothing does.
    #[serde(borrow, with = "serde_bytes")]
    pub content: Cow<'a, [u8]>,
    /// The transfer that brought the content, which is then empty here (§9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// What comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// The content's media type.
    pub content_type: String,
}

impl StatusReport<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("status", self.status.len(), MAX_TEXT_LEN)?;
        BodyError::bytes("content", self.content.len(), MAX_CONTENT_LEN)?;
        let next_action = self.next_action.as_ref().map_or(0, String::len);
        BodyError::bytes("next_action", next_action, MAX_TEXT_LEN)?;
        BodyError::bytes("content_type", self.content_type.len(), MAX_NAME_LEN)
    }
}
