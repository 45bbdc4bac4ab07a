//! `POST /message`: what can be checked without any state, and then the link of whoever signed it.
//!
//! Nothing that an unsigned request says counts against anybody: not against the rates of the peer that it
//! names, and no link is made for a key that has signed nothing.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use peer_behaviours::legacy::{Call, refusal};
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Message, Unsigned, shown_key};
use peer_protocol::message::ErrorReport;
use tokio::sync::oneshot;

use super::State;
use super::answer::{self, Trouble};
use super::listener::{From, Limits};

const UNENCRYPTED: &str =
    "version 1.0 does not encrypt, and encryption is required here: speak version 1.1";
const NO_SESSION: &str = "no session of this id is known here";
const NO_HANDSHAKE: &str =
    "a handshake comes first, or the operator of this node puts the sender's key down";

/// Takes a message.
pub(super) async fn message(
    Shared(state): Shared<Arc<State>>,
    Extension(limits): Extension<Limits>,
    Extension(From(from)): Extension<From>,
    request: axum::http::Request<Body>,
) -> Response {
    if let Err(trouble) = state.admit(from) {
        return trouble.into_response();
    }
    let bytes = match read(request, limits).await {
        Ok(bytes) => bytes,
        Err(trouble) => return trouble.into_response(),
    };
    state.counts.received.add();
    match state.take(&bytes, from, limits).await {
        Ok(response) => response,
        Err(Refused::Told(sender, report)) => state.refuse(sender.as_deref(), &report),
        Err(Refused::Trouble(trouble)) => trouble.into_response(),
    }
}

/// Why a message is not taken.
enum Refused {
    /// What its sender, if it can be read, is told in a signed message.
    Told(Option<Box<Unsigned>>, ErrorReport),
    /// No message can be made of it.
    Trouble(Trouble),
}

async fn read(request: axum::http::Request<Body>, limits: Limits) -> Result<Vec<u8>, Trouble> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > MAX_MESSAGE_LEN as u64) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), MAX_MESSAGE_LEN).collect();
    match tokio::time::timeout(limits.body, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Trouble {
            close: true,
            ..Trouble::new(
                StatusCode::BAD_REQUEST,
                "broken_body",
                format!("the body cannot be read: {error}"),
                "send it again",
            )
        }),
        Err(_) => Err(Trouble {
            close: true,
            ..Trouble::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow_body",
                format!("the body did not come within {} s", limits.body.as_secs_f64()),
                "send it at once",
            )
        }),
    }
}

fn too_large() -> Trouble {
    Trouble {
        code: Some(ErrorCode::InvalidVersion),
        close: true,
        ..Trouble::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a message has at most {MAX_MESSAGE_LEN} bytes"),
            "send less, or speak version 1.1, which transfers files",
        )
    }
}

impl State {
    /// Limits that need no look at the request.
    pub(super) fn admit(&self, from: IpAddr) -> Result<(), Trouble> {
        let Err(limited) = self.rates.take(from, self.clock.now().instant) else { return Ok(()) };
        self.counts.refuse(ErrorCode::RateLimited);
        let millis = u64::try_from(limited.retry_after.as_millis()).unwrap_or(u64::MAX);
        Err(Trouble {
            code: Some(ErrorCode::RateLimited),
            retry_after_ms: Some(millis.saturating_add(1)),
            ..Trouble::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                format!("too many requests from this network: {limited}"),
                "wait, and send less often",
            )
        })
    }

    async fn take(&self, bytes: &[u8], from: IpAddr, limits: Limits) -> Result<Response, Refused> {
        let message = Message::parse(bytes).map_err(|error| {
            Refused::Told(None, ErrorReport::new(error.code(), error.to_string()))
        })?;
        let told = |code, detail: String| {
            let sender = Some(Box::new(message.content().clone()));
            Refused::Told(sender, ErrorReport::new(code, detail))
        };
        if self.require_encryption {
            return Err(told(ErrorCode::EncryptionRequired, UNENCRYPTED.to_owned()));
        }
        let now = self.clock.now();
        message.check_time(now.timestamp).map_err(|error| told(error.code(), error.to_string()))?;
        let key = self.key_of(message.content()).await?;
        message
            .verify(&key)
            .map_err(|error| told(ErrorCode::InvalidSignature, error.to_string()))?;
        let peer = secure::peer_id_of(&key).ok_or_else(|| {
            told(ErrorCode::InvalidSignature, "the key is no usable key".to_owned())
        })?;
        let (answer, answered) = oneshot::channel();
        let call = Call { peer, from, message: Box::new(message), answer };
        let node = self.node.handle().map_err(|_| stopped())?;
        node.call(call).await.map_err(|_| stopped())?;
        drop(node);
        let answer = tokio::time::timeout(limits.answer, answered).await;
        Ok(match answer {
            Ok(Ok(bytes)) => self.answered(bytes),
            // Its refusals are over their rate, or there is no room for its link.
            Ok(Err(_)) => busy().into_response(),
            Err(_) => answer::taken(),
        })
    }

    fn answered(&self, bytes: Vec<u8>) -> Response {
        if bytes.is_empty() {
            self.counts.taken.add();
            return answer::taken();
        }
        let (response, code) = answer::message(bytes);
        match code {
            Some(code) => self.counts.refuse(code),
            None => self.counts.taken.add(),
        }
        response
    }

    /// The key under which a message's signature has to hold: the one that the operator has put down, the
    /// one that a handshake shows, or the one of the session that it names.
    async fn key_of(&self, content: &Unsigned) -> Result<PublicKey, Refused> {
        if let Some(key) = self.named.get(&content.sender_id) {
            return Ok(*key);
        }
        let told = |code, detail: String| {
            Refused::Told(Some(Box::new(content.clone())), ErrorReport::new(code, detail))
        };
        if content.msg_type == "handshake" {
            let shown =
                shown_key(content).map_err(|error| told(error.code(), error.to_string()))?;
            let none =
                || told(ErrorCode::InvalidSignature, "the peer shows no public key".to_owned());
            return shown.ok_or_else(none);
        }
        let Some(session) = content.session_id else {
            return Err(told(ErrorCode::InvalidState, NO_HANDSHAKE.to_owned()));
        };
        let unknown = || told(ErrorCode::SessionNotFound, NO_SESSION.to_owned());
        let session = SessionId::try_from(session).map_err(|_| unknown())?;
        let node = self.node.handle().map_err(|_| stopped())?;
        node.session_key(session).await.map_err(|_| stopped())?.ok_or_else(unknown)
    }

    /// Refuses in a message that this node signs.
    fn refuse(&self, message: Option<&Unsigned>, report: &ErrorReport) -> Response {
        let sender = message.map(|message| &message.sender_id);
        let now = self.clock.now().timestamp;
        let refusal = refusal(&self.identity, sender, report, now, &mut rand::rng());
        let (response, _) = answer::message(refusal.to_bytes());
        self.counts.refuse(report.code);
        response
    }
}

fn stopped() -> Refused {
    Refused::Trouble(Trouble::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "stopped",
        "the node is shutting down".to_owned(),
        "try again later",
    ))
}

fn busy() -> Trouble {
    Trouble {
        code: Some(ErrorCode::RateLimited),
        retry_after_ms: Some(1_000),
        ..Trouble::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "this peer was refused too often, or too many peers are there".to_owned(),
            "wait, and send less often",
        )
    }
}
