//! `error`: why something was refused, in words that give no secrets away (§15).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::error::ErrorCode;
use crate::limits::{MAX_RETRY_AFTER, MAX_TEXT_LEN};

/// The body of an `error`, in a sealed envelope or, where no session can carry it, in a plain one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReport {
    /// One of the sixteen.
    pub code: ErrorCode,
    /// More, for people.
    pub detail: String,
    /// In a plain envelope: the nonce of the envelope that is refused, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    pub in_reply_to: Option<[u8; 16]>,
    /// When to try again, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorReport {
    /// A report of `code`; a long detail is cut.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_TEXT_LEN {
            let end = (0..=MAX_TEXT_LEN).rev().find(|end| detail.is_char_boundary(*end));
            detail.truncate(end.unwrap_or(0));
        }
        Self { code, detail, in_reply_to: None, retry_after_ms: None }
    }

    /// When to try again, if it says so: at most an hour from now, whatever the peer says.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(|millis| Duration::from_millis(millis).min(MAX_RETRY_AFTER))
    }

    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("detail", self.detail.len(), MAX_TEXT_LEN)
    }
}
