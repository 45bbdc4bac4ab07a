//! Requests that are repeated under one `Idempotency-Key` are carried out once.
//!
//! The first request with a key is carried out to its end even if its client leaves; whoever repeats it
//! waits for its answer, and gets the same. Another request with the same key is refused. Success is
//! remembered, and failure after which the request may have had an effect that nobody can follow; after any
//! other failure it may be tried again. All that is in memory, within the bounds of [`Table`]; but the ids of
//! messages that are kept follow from the keys, so that also a node that was started again does not send
//! them twice.

mod table;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Bytes;

use peer_protocol::id::MessageId;
use peer_protocol::identity::Fingerprint;

use self::table::Begun;
pub(super) use self::table::Table;
use super::Problem;
use super::app::Shared;
use super::extract::{gather, invalid};
use crate::model::message_id_of;

/// The header with the key: 1 to 255 visible ASCII characters.
pub(super) const KEY: &str = "idempotency-key";
/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY_LEN: usize = 255;

/// The id of the message that a request with a key sends: the same one after a restart of the node, whose
/// outbox then knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageKey(pub(super) MessageId);

impl MessageKey {
    fn of(own: &Fingerprint, key: &str) -> Self {
        Self(message_id_of(&format!("peer idempotency key\0{own}\0{key}")))
    }
}

/// An answer, as it is remembered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
}

/// Carries a request out, unless one with its key was.
pub(super) async fn carry_out(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let key = match key(request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return (*problem).into_response(),
    };
    let (mut parts, body) = request.into_parts();
    if let Some(id) = shared.fingerprint().await.map(|own| MessageKey::of(&own, &key)) {
        parts.extensions.insert(id);
    }
    let (body, weight) = match gather(body, None).await {
        Ok(gathered) => gathered,
        Err(problem) => return problem.into_response(),
    };
    let table = Arc::clone(shared.once());
    let same = table.digest(&(parts.method.as_str(), parts.uri.path(), &body[..]));
    let (mut answer, replayed) = match table.begin(&key, same, Instant::now()) {
        Begun::Now(answer) => {
            // The room that a long body takes goes with it, to whoever parses it.
            if let Some(weight) = weight {
                parts.extensions.insert(weight);
            }
            let request = Request::from_parts(parts, Body::from(body));
            // Not with its client: it goes on when that leaves.
            tokio::spawn(async move {
                let answer = Answer::of(next.run(request).await).await;
                table.end(&key, answer, Instant::now());
            });
            (answer, false)
        }
        Begun::Before(answer) => {
            // Who waits keeps nothing for that.
            drop((parts, body, weight));
            (answer, true)
        }
        Begun::Other => return other(&key).into_response(),
        Begun::Full => return full().into_response(),
    };
    let answer = answer.wait_for(Option::is_some).await;
    match answer.ok().and_then(|answer| answer.clone()) {
        Some(answer) => answer.to_response(replayed),
        None => cut_off().into_response(),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(first) = keys.next() else { return Ok(None) };
    let text = first.to_str().ok().filter(|_| keys.next().is_none());
    let fits = |text: &&str| {
        (1..=MAX_KEY_LEN).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
    };
    text.filter(fits).map(|text| Some(text.to_owned())).ok_or_else(|| {
        let detail = "`Idempotency-Key` is one header of 1 to 255 visible ASCII characters";
        Box::new(invalid(detail.to_owned()))
    })
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(body) => {
                let content_type = parts.headers.get(CONTENT_TYPE).cloned();
                Self { status: parts.status, content_type, body }
            }
            Err(_) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                content_type: None,
                body: Bytes::new(),
            },
        }
    }

    fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the request is done with. After other failures it may be carried out again: nothing came of
    /// it, or what came of it names a message that can be followed.
    fn is_final(&self) -> bool {
        let followed = || {
            let problem = serde_json::from_slice::<Problem>(&self.body);
            problem.is_ok_and(|problem| problem.message_id.is_some())
        };
        match self.status {
            StatusCode::FORBIDDEN | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                !followed()
            }
            status => status.is_success(),
        }
    }

    fn to_response(&self, replayed: bool) -> Response {
        let mut response = (self.status, self.body.clone()).into_response();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        if let Some(content_type) = &self.content_type {
            headers.insert(CONTENT_TYPE, content_type.clone());
        }
        if replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl Table {
    /// Equal for equal requests. Different ones are told apart but for chance: clients are the operator's
    /// own programs.
    fn digest(&self, request: &(&str, &str, &[u8])) -> u64 {
        self.hasher().hash_one(request)
    }
}

/// What tells requests apart.
type Hasher = RandomState;

fn other(key: &str) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        format!("another request was sent with the `Idempotency-Key` {key:?}"),
        "use a new key for each request, and the same only to repeat it",
    )
}

fn full() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_keys",
        "too many requests with an `Idempotency-Key` are under way".to_owned(),
        "try again when some of them have ended",
    )
}

fn cut_off() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "stopped",
        "the node stopped before the request had ended".to_owned(),
        "start it again: `peer run`",
    )
}
