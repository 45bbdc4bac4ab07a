//! Answers, and which status goes with what (`docs/PROTOCOL.md` §13.8).

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use peer_protocol::error::ErrorCode;
use peer_protocol::legacy::{Message, Number, Value};
use peer_protocol::message::ErrorReport;
use serde_json::json;

/// The status that goes with a code.
pub(super) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidVersion | ErrorCode::DecryptionFailed | ErrorCode::ChunkError => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::InvalidSignature
        | ErrorCode::ChallengeExpired
        | ErrorCode::ChallengeInvalid
        | ErrorCode::EncryptionRequired => StatusCode::FORBIDDEN,
        ErrorCode::ReplayDetected
        | ErrorCode::SessionExpired
        | ErrorCode::SequenceError
        | ErrorCode::HandshakeInProgress
        | ErrorCode::SessionNotFound
        | ErrorCode::EncryptionNotReady
        | ErrorCode::InvalidState => StatusCode::CONFLICT,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::DhtError => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The message was taken, and there is nothing to say.
pub(super) fn taken() -> Response {
    axum::Json(json!({ "status": "received" })).into_response()
}

/// A message of this node. One of type `error` has the status of its code.
pub(super) fn message(bytes: Vec<u8>) -> (Response, Option<ErrorCode>) {
    let report = Message::parse(&bytes).ok().and_then(|message| report(&message));
    let code = report.as_ref().map(|report| report.code);
    let mut response = (code.map_or(StatusCode::OK, status), bytes).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    retry_after(&mut response, report.and_then(|report| report.retry_after_ms));
    (response, code)
}

fn report(message: &Message) -> Option<ErrorReport> {
    let content = message.content();
    if content.msg_type != "error" {
        return None;
    }
    let text = |field: &str| content.payload.get(field).and_then(Value::as_str);
    let mut report = ErrorReport::new(text("code")?.parse().ok()?, "");
    report.retry_after_ms = match content.payload.get("retry_after_ms") {
        Some(Value::Number(millis)) => Number::as_u64(millis),
        _ => None,
    };
    Some(report)
}

fn retry_after(response: &mut Response, millis: Option<u64>) {
    if let Some(millis) = millis {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
    }
}

/// What goes wrong before there is a message to answer, as problem details (RFC 9457).
pub(super) struct Trouble {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) detail: String,
    pub(super) next: &'static str,
    pub(super) code: Option<ErrorCode>,
    pub(super) retry_after_ms: Option<u64>,
    /// Whether the rest of the connection makes no sense any more.
    pub(super) close: bool,
}

impl Trouble {
    pub(super) const fn new(
        status: StatusCode,
        kind: &'static str,
        detail: String,
        next: &'static str,
    ) -> Self {
        Self { status, kind, detail, next, code: None, retry_after_ms: None, close: false }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:peer:{}", self.kind),
            "title": self.kind.replace('_', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "next": self.next,
        });
        if let (Some(code), Some(body)) = (self.code, body.as_object_mut()) {
            body.insert("code".to_owned(), code.as_str().into());
        }
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        retry_after(&mut response, self.retry_after_ms);
        response
    }
}

pub(super) async fn not_found(method: Method, uri: Uri) -> Trouble {
    Trouble::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no {method} {}", uri.path()),
        "POST /message, or GET /health, /peers, /stats or /public-key",
    )
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Trouble {
    Trouble::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} takes no {method}", uri.path()),
        "POST /message, or GET /health, /peers, /stats or /public-key",
    )
}
