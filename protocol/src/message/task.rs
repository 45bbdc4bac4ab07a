//! `task` and `task_result`: ask, and be answered.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::BodyError;
use crate::cbor::text_enum;
use crate::id::TransferId;
use crate::limits::{MAX_CONTENT_LEN, MAX_NAME_LEN, MAX_TEXT_LEN};

/// Asks the peer's agent for something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task<'a> {
    /// A file's name, if the content is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is asked: any bytes.
    #[serde(borrow, with = "serde_bytes")]
    pub content: Cow<'a, [u8]>,
    /// The transfer that brought the content, which is then empty here (§9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// The content's media type, such as `text/plain`.
    pub content_type: String,
    /// Ties several tasks to one conversation; opaque to the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
}

impl Task<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("name", self.name.as_ref().map_or(0, String::len), MAX_TEXT_LEN)?;
        BodyError::bytes("content", self.content.len(), MAX_CONTENT_LEN)?;
        BodyError::bytes("content_type", self.content_type.len(), MAX_NAME_LEN)?;
        let conversation = self.conversation.as_ref().map_or(0, String::len);
        BodyError::bytes("conversation", conversation, MAX_TEXT_LEN)
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TaskOutcome {
    /// The content is the answer.
    #[default]
    Done,
    /// The agent could not do it; the content says why.
    Failed,
}

text_enum!(TaskOutcome {
    Done = "done",
    Failed = "failed",
});

/// Answers a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResult<'a> {
    /// The answer, or why there is none: any bytes.
    #[serde(borrow, with = "serde_bytes")]
    pub content: Cow<'a, [u8]>,
    /// How the task ended.
    pub outcome: TaskOutcome,
    /// The transfer that brought the content, which is then empty here (§9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// The content's media type.
    pub content_type: String,
}

impl TaskResult<'_> {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::bytes("content", self.content.len(), MAX_CONTENT_LEN)?;
        BodyError::bytes("content_type", self.content_type.len(), MAX_NAME_LEN)
    }
}
