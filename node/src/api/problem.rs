//! Failures as problem details (RFC 9457).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use peer_protocol::error::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::NodeError;
use crate::model::Failure;
use crate::transfer::TransferFailure;

const TYPE_PREFIX: &str = "urn:peer:";

/// A failure on its way through HTTP, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:peer:` and the failure's kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in plain words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, to what.
    pub detail: String,
    /// The part of `detail` that may be in the words of the peer's node: no instructions to anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_wrote: Option<String>,
    /// The protocol's code, if the failure is one of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub code: Option<ErrorCode>,
    /// The message that it is about, if the node keeps it and it can be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What to do next.
    pub next: String,
}

impl Problem {
    /// The content type of problem details.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    pub(crate) fn new(status: StatusCode, kind: &str, detail: String, next: &str) -> Self {
        let (kind, next) = (kind.to_owned(), next.to_owned());
        let failure =
            Failure { kind, code: None, message_id: None, detail, peer_wrote: None, next };
        Self::of(status, failure)
    }

    fn of(status: StatusCode, failure: Failure) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{}", failure.kind),
            title: failure.kind.replace('_', " "),
            status: status.as_u16(),
            detail: failure.detail,
            peer_wrote: failure.peer_wrote.map(String::from),
            code: failure.code,
            message_id: failure.message_id,
            next: failure.next,
        }
    }

    /// The failure.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let kind = self.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&self.kind).to_owned();
        let Self { code, message_id, detail, peer_wrote, next, .. } = self;
        let peer_wrote = peer_wrote.map(String::into_boxed_str);
        Failure { kind, code, message_id, detail, peer_wrote, next }
    }
}

impl From<NodeError> for Problem {
    fn from(error: NodeError) -> Self {
        let status = match &error {
            NodeError::BadAddress { .. } | NodeError::Invalid { .. } => StatusCode::BAD_REQUEST,
            NodeError::Refused { .. } => StatusCode::FORBIDDEN,
            NodeError::UnknownPeer { .. }
            | NodeError::NotFound { .. }
            | NodeError::NoSuchTask { .. }
            | NodeError::NoSuchWake
            | NodeError::NoSuchMessage { .. } => StatusCode::NOT_FOUND,
            NodeError::Ambiguous { .. } | NodeError::Settled { .. } => StatusCode::CONFLICT,
            NodeError::KeyReused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            NodeError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            NodeError::QueueFull { .. } => StatusCode::TOO_MANY_REQUESTS,
            NodeError::Storage { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            NodeError::NotKept { .. } => StatusCode::INSUFFICIENT_STORAGE,
            NodeError::Unreachable { .. } => StatusCode::BAD_GATEWAY,
            NodeError::Registry { .. } | NodeError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            NodeError::Transfer(failure) => of_transfer(failure),
            NodeError::Timeout { .. } | NodeError::Unanswered { .. } => StatusCode::GATEWAY_TIMEOUT,
        };
        Self::of(status, error.to_failure())
    }
}

impl From<Box<Self>> for Problem {
    fn from(problem: Box<Self>) -> Self {
        *problem
    }
}

const fn of_transfer(failure: &TransferFailure) -> StatusCode {
    match failure {
        TransferFailure::Unknown { .. } => StatusCode::NOT_FOUND,
        TransferFailure::Ambiguous { .. }
        | TransferFailure::Over { .. }
        | TransferFailure::NotRetried { .. }
        | TransferFailure::Changed { .. } => StatusCode::CONFLICT,
        TransferFailure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        TransferFailure::TooMany { .. } | TransferFailure::Full { .. } => {
            StatusCode::TOO_MANY_REQUESTS
        }
        TransferFailure::Off => StatusCode::SERVICE_UNAVAILABLE,
        TransferFailure::Disk { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        TransferFailure::Unreadable { .. }
        | TransferFailure::NotAFile { .. }
        | TransferFailure::Name { .. }
        | TransferFailure::Refused { .. } => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Self::CONTENT_TYPE));
        response
    }
}
