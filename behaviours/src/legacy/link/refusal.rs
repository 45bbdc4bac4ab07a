//! Errors as version 1.0 peers tell them: a signed message of type `error` whose payload is
//! `{"code", "detail"}`, and `"retry_after_ms"` where trying again makes sense.

use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::legacy::{Message, NONCE_LEN, Number, Object, Unsigned, Value};
use peer_protocol::message::ErrorReport;
use peer_protocol::rate_limit::RateLimited;
use peer_protocol::time::Timestamp;
use rand::Rng;

/// The message type of errors.
pub(super) const ERROR: &str = "error";

/// An `error` to `peer`, or to whoever reads it. It belongs to no session, since most refusals are about
/// there being none.
pub fn refusal(
    me: &Identity,
    peer: Option<&EntityId>,
    report: &ErrorReport,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Message {
    let mut payload = Object::new();
    payload.insert("code".to_owned(), report.code.as_str().into());
    payload.insert("detail".to_owned(), report.detail.as_str().into());
    if let Some(millis) = report.retry_after_ms {
        payload.insert("retry_after_ms".to_owned(), Value::Number(millis.into()));
    }
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    Unsigned {
        msg_type: ERROR.to_owned(),
        sender_id: me.entity().clone(),
        recipient_id: peer.cloned(),
        session_id: None,
        sequence_num: None,
        timestamp: seconds(now),
        nonce,
        payload,
        encrypted_payload: None,
        sender_public_key: None,
        jwt_token: None,
    }
    .sign(me)
}

/// What an `error` says, if the peer signed it just now. A code that is none of the sixteen counts as
/// `INVALID_STATE`, and its name goes into the detail.
pub(super) fn read(message: &Message, key: &PublicKey, now: Timestamp) -> Option<ErrorReport> {
    if message.check_time(now).is_err() || message.verify(key).is_err() {
        return None;
    }
    let payload = &message.content().payload;
    let text = |field| payload.get(field).and_then(Value::as_str).unwrap_or_default();
    let (code, detail) = (text("code"), text("detail"));
    let mut report = match code.parse() {
        Ok(code) => ErrorReport::new(code, detail),
        Err(_) => ErrorReport::new(ErrorCode::InvalidState, format!("{code}: {detail}")),
    };
    report.retry_after_ms = match payload.get("retry_after_ms") {
        Some(Value::Number(millis)) => millis.as_u64(),
        _ => None,
    };
    Some(report)
}

/// The report of an exceeded rate.
pub(in crate::legacy) fn rate_limited(limited: RateLimited) -> ErrorReport {
    let millis = u64::try_from(limited.retry_after.as_millis()).unwrap_or(u64::MAX);
    let mut report = ErrorReport::new(ErrorCode::RateLimited, limited.to_string());
    // Rounded up: a sender that comes back then is let in.
    report.retry_after_ms = Some(millis.saturating_add(1));
    report
}

/// How long a report asks to wait, at most an hour.
pub(super) fn pause(report: &ErrorReport) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(3600);
    report.retry_after_ms.map(|millis| Duration::from_millis(millis).min(MOST))
}

fn seconds(now: Timestamp) -> Number {
    // Exact to the millisecond for the next 200 000 years, and always finite.
    Number::float(now.as_millis() as f64 / 1000.0).unwrap_or_else(|_| Number::from(u64::MAX))
}
