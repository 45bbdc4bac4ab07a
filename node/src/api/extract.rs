//! What requests carry, refused as [`Problem`]s if it makes no sense.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use peer_protocol::limits::MAX_LONG_CONTENT_LEN;
use serde::de::DeserializeOwned;

use super::body::{Broken, TooSlow};
use super::request::{self, Brings};
use super::{MAX_BODY_LEN, MAX_SMALL_BODY_LEN, Problem};
use crate::error::NodeError;
use crate::model::Weight;

/// The body of a request, at most [`MAX_SMALL_BODY_LEN`] bytes of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request.into_body(), MAX_SMALL_BODY_LEN).await.map(Self)
    }
}

/// The body of a request that brings a content, at most [`MAX_BODY_LEN`] bytes of JSON.
pub(super) struct Large<T>(pub(super) T);

impl<T: DeserializeOwned + Brings, S: Sync> FromRequest<S> for Large<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        // One that was read before has its room.
        let taken = parts.extensions.get::<Weight>().cloned();
        drop(parts);
        let (bytes, weight) = gather(body, taken).await?;
        let mut value: T = parse(&bytes).map_err(|problem| *problem)?;
        drop(bytes);
        if let Some(content) = value.content() {
            content.weight = weight.unwrap_or_default();
        }
        Ok(Self(value))
    }
}

/// Reads a body of at most [`MAX_BODY_LEN`] bytes. One that turns out to have more than
/// [`MAX_SMALL_BODY_LEN`] waits for room in memory, unless `weight` is room that was taken for it.
pub(super) async fn gather(
    mut body: Body,
    mut weight: Option<Weight>,
) -> Result<(Bytes, Option<Weight>), Problem> {
    let announced = body.size_hint().lower();
    if announced > MAX_BODY_LEN as u64 {
        return Err(too_large(&format!("{announced} bytes"), MAX_BODY_LEN));
    }
    let mut expected = usize::try_from(announced).unwrap_or(MAX_BODY_LEN);
    let mut bytes = Vec::new();
    loop {
        if expected > MAX_SMALL_BODY_LEN && weight.is_none() {
            weight = Some(Weight::take().await);
        }
        let Some(frame) = body.frame().await else { return Ok((bytes.into(), weight)) };
        let frame = frame.map_err(|error| broken_body(&error, MAX_BODY_LEN))?;
        let Ok(data) = frame.into_data() else { continue };
        expected = expected.max(bytes.len() + data.len());
        if expected > MAX_BODY_LEN {
            return Err(too_large(&format!("more than {MAX_BODY_LEN} bytes"), MAX_BODY_LEN));
        }
        bytes.reserve(expected - bytes.len());
        bytes.extend_from_slice(&data);
    }
}

async fn read<T: DeserializeOwned>(body: Body, most: usize) -> Result<T, Problem> {
    let announced = body.size_hint().lower();
    if announced > most as u64 {
        return Err(too_large(&format!("{announced} bytes"), most));
    }
    let bytes = to_bytes(body, most).await.map_err(|error| broken_body(&error, most))?;
    parse(&bytes).map_err(|problem| *problem)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<Problem>> {
    serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("the body is not what this request takes: {error}")))
        .map_err(Box::new)
}

/// The query of a request.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|error| {
            invalid(format!("the query is not what this request takes: {}", error.body_text()))
        })
    }
}

/// Where a client that comes back was: the header `Last-Event-ID`. An empty one is none.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, NodeError> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let text = id.to_str().map_err(|_| request::invalid(&"`Last-Event-ID` is no plain text"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The message that a path names.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id))
            .map_err(|error| invalid(format!("the path names no message: {}", error.body_text())))
    }
}

/// A body of at most `most` bytes that could not be read.
pub(super) fn broken_body(error: &axum::Error, most: usize) -> Problem {
    match Broken::of(error) {
        Broken::TooLarge => too_large(&format!("more than {most} bytes"), most),
        Broken::TooSlow(slow) => too_slow(slow),
        Broken::Otherwise => invalid(format!("the body of the request broke off: {error}")),
    }
}

pub(super) fn too_large(size: &str, most: usize) -> Problem {
    let detail = format!(
        "the body of the request has {size}, and the limit is {most}; \
         one message carries at most {MAX_LONG_CONTENT_LEN} bytes of content (64 MiB)"
    );
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        detail,
        "send less, or split it; text with many escapes is shorter in base64",
    )
}

fn too_slow(slow: TooSlow) -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        format!("the body of the request: {slow}"),
        "send it without pauses",
    )
}

pub(super) fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid", detail, "correct it and try again")
}
