//! Posts messages to version 1.0 peers that have a URL.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use libp2p::PeerId;
use peer_behaviours::legacy::{Carried, CarryError, Courier};
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Value};
use tokio::net::TcpStream;

use super::counts::Counts;
use crate::config::HttpUrl;

/// Time to connect, and for the answer. Some peers answer a question in place.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// Most of what a server says that people are shown, in bytes.
const SHOWN: usize = 200;

/// The courier.
pub(super) struct HttpCourier {
    urls: HashMap<PeerId, HttpUrl>,
    counts: Arc<Counts>,
}

impl HttpCourier {
    pub(super) const fn new(urls: HashMap<PeerId, HttpUrl>, counts: Arc<Counts>) -> Self {
        Self { urls, counts }
    }
}

impl Courier for HttpCourier {
    fn carry(&self, peer: PeerId, message: Vec<u8>) -> BoxFuture<'static, Carried> {
        let (url, counts) = (self.urls.get(&peer).cloned(), Arc::clone(&self.counts));
        Box::pin(async move {
            let carried = match url {
                Some(url) => post(&url, message).await,
                None => Err(CarryError::Unsent { reason: "no URL is known".to_owned() }),
            };
            if carried.is_ok() {
                counts.sent.add();
            } else {
                counts.failed.add();
            }
            carried
        })
    }
}

/// Posts one message, over a connection of its own.
async fn post(url: &HttpUrl, message: Vec<u8>) -> Carried {
    let at = url.as_str();
    let connecting = TcpStream::connect((url.host.as_str(), url.port));
    let stream = match tokio::time::timeout(CONNECT, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(CarryError::Unsent { reason: format!("{at}: {error}") }),
        Err(_) => {
            let reason = format!("{at}: no connection within {} s", CONNECT.as_secs());
            return Err(CarryError::Unsent { reason });
        }
    };
    match tokio::time::timeout(ANSWER, exchange(url, stream, message)).await {
        Ok(carried) => carried,
        Err(_) => {
            let reason = format!("{at}: no answer within {} s", ANSWER.as_secs());
            Err(CarryError::Lost { reason })
        }
    }
}

async fn exchange(url: &HttpUrl, stream: TcpStream, message: Vec<u8>) -> Carried {
    let at = url.as_str();
    let unsent = |reason: String| CarryError::Unsent { reason: format!("{at}: {reason}") };
    let lost = |reason: String| CarryError::Lost { reason: format!("{at}: {reason}") };
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(HOST, format!("{host}:{}", url.port))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::from(message)))
        .map_err(|error| unsent(error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unsent(error.to_string()))?;
    let answered = async {
        let response =
            sender.send_request(request).await.map_err(|error| lost(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_MESSAGE_LEN).collect().await;
        let body = body.map_err(|error| lost(error.to_string()))?.to_bytes();
        understand(at, status, &body)
    };
    // The connection is driven here, and ends with the answer.
    let mut connection = std::pin::pin!(connection);
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        carried = &mut answered => carried,
        ended = &mut connection => match ended {
            // Closed after the answer was read.
            Ok(()) => answered.await,
            Err(error) => Err(lost(error.to_string())),
        },
    }
}

/// What an answer says: a message is for the link to judge, whatever the status; anything else that comes
/// with success says that the message was taken.
fn understand(at: &str, status: StatusCode, body: &[u8]) -> Carried {
    let message = match Value::parse(body, MAX_MESSAGE_LEN) {
        Ok(Value::Object(members)) => {
            members.contains_key("msg_type") && members.contains_key("signature")
        }
        _ => false,
    };
    if message {
        return Ok(body.to_vec());
    }
    if status.is_success() {
        return Ok(Vec::new());
    }
    let said = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body)).into_owned();
    let reason = format!("{at}: HTTP {}: {}", status.as_u16(), said.trim());
    Err(if status.is_server_error() {
        CarryError::Lost { reason }
    } else {
        CarryError::Refused { reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Carried {
        understand("http://old", StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn success_without_a_message_says_nothing_more() {
        for body in ["", "ok", r#"{"status": "received"}"#, "[1]", r#"{"msg_type": "x"}"#] {
            assert_eq!(answer(200, body), Ok(Vec::new()), "{body}");
        }
    }

    #[test]
    fn a_message_counts_whatever_the_status() {
        let error = r#"{"msg_type": "error", "signature": "…"}"#;
        for status in [200, 400, 429, 500] {
            assert_eq!(answer(status, error), Ok(error.as_bytes().to_vec()));
        }
    }

    #[test]
    fn a_failure_tells_whether_the_message_may_have_arrived() {
        assert!(matches!(answer(404, "no such page"), Err(CarryError::Refused { reason })
            if reason.contains("404") && reason.contains("no such page")));
        assert!(matches!(answer(302, ""), Err(CarryError::Refused { .. })));
        assert!(matches!(answer(502, ""), Err(CarryError::Lost { .. })));
        let long = "é".repeat(SHOWN);
        assert!(matches!(answer(403, &long), Err(CarryError::Refused { reason })
            if reason.len() < 2 * SHOWN));
    }
}
