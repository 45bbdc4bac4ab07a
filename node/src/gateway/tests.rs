//! The port itself, on short limits, without a node behind it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use peer_behaviours::SystemClock;
use peer_protocol::crypto::Ed25519Authenticator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::listener::{From, Limits};
use super::*;
use crate::events::EventSource;

const SHORT: Limits = Limits {
    connections: 3,
    per_network: 2,
    head: Duration::from_millis(300),
    body: Duration::from_millis(300),
    answer: Duration::from_secs(1),
    connection: Duration::from_secs(10),
};

/// The state of a gateway whose node has stopped.
fn state() -> State {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
    let identity = Identity::new(Some("new".parse().unwrap()), key).unwrap();
    let (commands, _) = tokio::sync::mpsc::channel(1);
    let node = WeakHandle::new(&commands, EventSource::new());
    State::new(&NodeConfig::default(), identity, Arc::new(SystemClock::new()), node, Arc::default())
}

async fn port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(listener::serve(listener, router(state(), SHORT), SHORT));
    address
}

/// Writes, and reads to the end.
async fn answer(at: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut text));
    // Whoever is turned away may find the connection reset.
    let _ = read.await.unwrap();
    text
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let at = port().await;
    let slow =
        answer(at, "POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await;
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("urn:peer:slow_body"), "{slow}");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for_nor_is_one_without_end() {
    let at = port().await;
    let slow = answer(at, "POST /message HTTP/1.1\r\nHost:").await;
    assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 408 "), "{slow}");
    let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let long = answer(at, &long).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431 "), "{long}");
}

#[tokio::test]
async fn a_network_has_so_many_connections_and_an_idle_one_is_closed() {
    let at = port().await;
    let request = "GET /public-key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut idle = [TcpStream::connect(at).await.unwrap(), TcpStream::connect(at).await.unwrap()];
    assert_eq!(answer(at, request).await, "", "there is no seat");
    for stream in &mut idle {
        read(stream).await;
    }
    assert!(answer(at, request).await.starts_with("HTTP/1.1 200 "));
}

async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(From([192, 0, 2, 1].into()));
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (head.status, format!("{:?}\n{body}", head.headers))
}

#[tokio::test]
async fn a_network_that_asks_too_often_is_told_to_wait() {
    let router = router(state(), SHORT);
    let mut let_in = 0;
    while ask(&router, "/public-key").await.0 == StatusCode::OK {
        let_in += 1;
        assert!(let_in < 10_000, "there is no end");
    }
    assert!(let_in >= 2_400, "{let_in}");
    let mut told = Vec::new();
    for path in ["/stats", "/peers", "/health", "/public-key"].repeat(20) {
        let (status, said) = ask(&router, path).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            assert!(said.contains("retry-after") && said.contains("RATE_LIMITED"), "{said}");
            told.push(path);
        }
    }
    for path in ["/stats", "/peers", "/health", "/public-key"] {
        assert!(told.contains(&path), "{path} is asked as often as one likes");
    }
}

#[tokio::test]
async fn once_the_node_has_stopped_it_is_said_to_be() {
    let router = router(state(), SHORT);
    assert_eq!(ask(&router, "/health").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

/// The status of every code, as §13.8 lists them.
#[test]
fn each_code_has_its_status() {
    use peer_protocol::error::ErrorCode::*;
    for (status, codes) in [
        (400, &[InvalidVersion, DecryptionFailed, ChunkError][..]),
        (403, &[InvalidSignature, ChallengeExpired, ChallengeInvalid, EncryptionRequired]),
        (409, &[ReplayDetected, SessionExpired, SequenceError, HandshakeInProgress]),
        (409, &[SessionNotFound, EncryptionNotReady, InvalidState]),
        (429, &[RateLimited]),
        (503, &[DhtError]),
    ] {
        for code in codes {
            assert_eq!(answer::status(*code).as_u16(), status, "{code}");
        }
    }
}
