//! What cannot be done, with the codes of A2A and of JSON-RPC.

use serde_json::{Value, json};
use thiserror::Error;

use crate::error::NodeError;

const DOMAIN: &str = "a2a-protocol.org";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// What happened, to what, and what to do next.
    pub(super) detail: String,
}

/// The kinds of A2A 1.0 (§5.4) and of JSON-RPC that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    TaskNotFound,
    TaskNotCancelable,
    PushNotificationNotSupported,
    UnsupportedOperation,
    ExtendedCardNotConfigured,
    VersionNotSupported,
    Parse,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    Internal,
}

impl FaultKind {
    pub(super) const fn code(self) -> i32 {
        match self {
            Self::TaskNotFound => -32001,
            Self::TaskNotCancelable => -32002,
            Self::PushNotificationNotSupported => -32003,
            Self::UnsupportedOperation => -32004,
            Self::ExtendedCardNotConfigured => -32007,
            Self::VersionNotSupported => -32009,
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::TaskNotFound => "TASK_NOT_FOUND",
            Self::TaskNotCancelable => "TASK_NOT_CANCELABLE",
            Self::PushNotificationNotSupported => "PUSH_NOTIFICATION_NOT_SUPPORTED",
            Self::UnsupportedOperation => "UNSUPPORTED_OPERATION",
            Self::ExtendedCardNotConfigured => "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
            Self::VersionNotSupported => "VERSION_NOT_SUPPORTED",
            Self::Parse => "PARSE_ERROR",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::MethodNotFound => "METHOD_NOT_FOUND",
            Self::InvalidParams => "INVALID_PARAMS",
            Self::Internal => "INTERNAL_ERROR",
        }
    }
}

impl Fault {
    pub(super) fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(super) fn not_found(task: &str) -> Self {
        let detail = format!(
            "no task {task:?} is known for this agent: give the id that the agent gave; tasks that ended long \
             ago are forgotten"
        );
        Self::new(FaultKind::TaskNotFound, detail)
    }

    pub(super) fn params(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::InvalidParams, detail)
    }

    /// As JSON-RPC tells it.
    pub(super) fn to_json(&self) -> Value {
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": self.kind.reason(),
            "domain": DOMAIN,
        });
        json!({ "code": self.kind.code(), "message": self.detail, "data": [info] })
    }
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        let kind = match &error {
            NodeError::UnknownPeer { .. }
            | NodeError::NotFound { .. }
            | NodeError::BadAddress { .. }
            | NodeError::TooLarge { .. }
            | NodeError::KeyReused { .. }
            | NodeError::Invalid { .. } => FaultKind::InvalidParams,
            NodeError::NoSuchMessage { .. } => FaultKind::TaskNotFound,
            _ => FaultKind::Internal,
        };
        Self::new(kind, format!("{error}; {}", error.next_step()))
    }
}
