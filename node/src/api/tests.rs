//! The API over a real Unix socket, with a fake node behind it.

mod delivery;
mod events;
mod once;
mod openapi;
mod security;
mod wake;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::limits::{MAX_CONTENT_LEN, MAX_LONG_CONTENT_LEN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::fake::{Fake, entity, fingerprint, task};
use super::*;
use crate::model::{Content, Delivery};
use crate::paths::DataDir;

struct Rig {
    _temp: tempfile::TempDir,
    dir: DataDir,
    client: Client,
    fake: Fake,
    server: Server,
}

async fn rig() -> Rig {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::resolve(Some(temp.path().to_owned())).unwrap();
    let (handle, fake) = Fake::start();
    let server = Server::start(&dir.socket(), handle).await.unwrap();
    Rig { _temp: temp, client: Client::new(&dir), dir, fake, server }
}

/// Sends raw HTTP; returns status, headers and body.
async fn raw(rig: &Rig, method: &str, path: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: any\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

async fn problem(rig: &Rig, path: &str, body: &[u8], status: u16) -> Problem {
    let (found, head, answer) = raw(rig, "POST", path, body).await;
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let problem: Problem = serde_json::from_slice(&answer).unwrap();
    assert_eq!((found, problem.status), (status, status), "{problem:?}");
    assert!(!problem.next.is_empty());
    problem
}

fn talk(peer: &str, content: Content) -> Talk {
    Talk {
        peer: peer.to_owned(),
        content,
        conversation: None,
        timeout_ms: Some(1500),
        ttl_ms: None,
        volatile: false,
    }
}

#[tokio::test]
async fn every_request_reaches_the_node() {
    let rig = rig().await;
    let client = &rig.client;
    assert_eq!(client.status().await.unwrap().entity, entity("entity_a"));
    assert_eq!(client.peers().await.unwrap().len(), 3);
    let address = "/ip4/127.0.0.1/tcp/4711".to_owned();
    let connected = client.connect(&Connect { address: address.clone(), timeout_ms: None }).await;
    assert_eq!(connected.unwrap().address, Some(address));

    let content = Content::from_bytes(&[0xff, 0, 1]);
    let answer = client.talk(&talk("entity_b", content.clone())).await.unwrap();
    assert_eq!((answer.done, answer.content), (true, content));

    let report = Report {
        peer: "entity_b".to_owned(),
        status: "half done".to_owned(),
        next_action: Some("the rest".to_owned()),
        content: None,
        timeout_ms: None,
        wait: None,
        ttl_ms: None,
    };
    assert_eq!(client.report(&report).await.unwrap().status, Delivery::Delivered);
    let (status, next, content) = rig.fake.look(|memory| memory.reports.remove(0));
    assert_eq!((status.as_str(), next.as_deref()), ("half done", Some("the rest")));
    assert_eq!(content.to_bytes().unwrap(), b"");

    let peer = || "entity_b".to_owned();
    assert!(client.alive(&Alive { peer: peer(), timeout_ms: None }).await.unwrap().alive);
    let wake = Wake { peer: peer(), reason: Some("go on".to_owned()), timeout_ms: None };
    assert!(client.wake(&wake).await.unwrap().woken);
    assert_eq!(rig.fake.look(|memory| memory.wakes.remove(0)), ("go on".to_owned(), 1));
    let restart =
        Restart { peer: "sleepy".to_owned(), reason: None, attempts: None, timeout_ms: None };
    let restarted = client.restart(&restart).await.unwrap();
    assert_eq!((restarted.ok, restarted.attempts.len()), (true, 2));

    assert_eq!(client.trust().await.unwrap().len(), 1);
    let pin = Pin { entity: entity("entity_c"), fingerprint: fingerprint() };
    assert_eq!(client.pin(&pin).await.unwrap().entity, entity("entity_c"));
    assert_eq!(client.revoke(&Revoke { who: peer() }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn failures_come_as_problem_details_and_back() {
    let rig = rig().await;
    let ask = |peer: &str| serde_json::to_vec(&talk(peer, Content::from_bytes(b"x"))).unwrap();
    for (peer, status, kind) in [
        ("nobody", 404, "unknown_peer"),
        ("offline", 502, "unreachable"),
        ("refuses", 403, "refused"),
        ("slow", 504, "timeout"),
        ("full", 429, "queue_full"),
    ] {
        let problem = problem(&rig, "/v1/talk", &ask(peer), status).await;
        assert_eq!(problem.kind, format!("urn:peer:{kind}"));
        assert!(problem.detail.contains(peer), "{}", problem.detail);
        let failed = rig.client.talk(&talk(peer, Content::from_bytes(b"x"))).await.unwrap_err();
        let failure = failed.into_failure();
        assert_eq!(failure.kind, kind);
        assert_eq!(failure.code, (peer == "refuses").then_some(ErrorCode::RateLimited));
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_reason() {
    let rig = rig().await;
    let unknown = json!({"peer": "a", "content": {"text": "x"}, "tiemout_ms": 5});
    let refused = problem(&rig, "/v1/talk", unknown.to_string().as_bytes(), 400).await;
    assert!(refused.detail.contains("unknown field `tiemout_ms`"), "{}", refused.detail);
    for (path, body, reason) in [
        ("/v1/talk", "{", "EOF"),
        ("/v1/talk", "", "EOF"),
        ("/v1/talk", "[]", "invalid"),
        ("/v1/talk", r#"{"content":{"text":"x"}}"#, "missing field `peer`"),
        ("/v1/talk", r#"{"peer":"a","content":{"text":"x","x":1}}"#, "unknown field `x`"),
        ("/v1/talk", r#"{"peer":"a","content":{}}"#, "either `text` or valid `base64`"),
        ("/v1/talk", r#"{"peer":"a","content":{"base64":"?"}}"#, "valid `base64`"),
        ("/v1/talk", r#"{"peer":"a","content":{"text":""},"timeout_ms":0}"#, "timeout"),
        ("/v1/talk", r#"{"peer":"a","content":{"text":""},"timeout_ms":-1}"#, "-1"),
        ("/v1/restart", r#"{"peer":"a","attempts":0}"#, "1 to 100"),
        ("/v1/connect", r#"{"address":"1.2.3.4:5"}"#, "1.2.3.4:5"),
        ("/v1/connect", r#"{"address":"/ip4/1.2.3.4"}"#, "/tcp/<port>"),
        ("/v1/trust/pin", r#"{"entity":"","fingerprint":"00"}"#, "1 to 128 bytes"),
        ("/v1/trust/pin", r#"{"entity":"a","fingerprint":"00"}"#, "64 hex digits"),
    ] {
        let refused = problem(&rig, path, body.as_bytes(), 400).await;
        assert!(refused.detail.contains(reason), "{body}: {}", refused.detail);
    }
    assert_eq!(problem(&rig, "/v1/nothing", b"", 404).await.kind, "urn:peer:not_found");
    let wrong = problem(&rig, "/v1/status", b"", 405).await;
    assert_eq!(wrong.kind, "urn:peer:method_not_allowed");
    let answer = json!({"message_id": "other", "content": {"text": ""}, "done": true});
    let late = problem(&rig, "/v1/answer", answer.to_string().as_bytes(), 404).await;
    assert_eq!(late.kind, "urn:peer:no_such_task");
}

#[tokio::test]
async fn the_largest_content_passes_and_one_byte_more_does_not() {
    let rig = rig().await;
    let mut bytes = vec![0xff; MAX_LONG_CONTENT_LEN];
    let answer = rig.client.talk(&talk("entity_b", Content::from_bytes(&bytes))).await.unwrap();
    assert_eq!(answer.content.to_bytes().unwrap(), bytes);
    bytes.push(0);
    let refused = rig.client.talk(&talk("entity_b", Content::from_bytes(&bytes))).await;
    let failure = refused.unwrap_err().into_failure();
    assert_eq!(failure.kind, "too_large");
    assert!(failure.detail.contains("67108865") && failure.detail.contains("67108864"));
    assert_eq!(rig.fake.look(|memory| memory.talks.len()), 1);
}

#[tokio::test]
async fn an_oversized_body_is_refused_with_size_and_limit() {
    let rig = rig().await;
    let refused = problem(&rig, "/v1/talk", &vec![b' '; MAX_BODY_LEN + 1], 413).await;
    assert_eq!(refused.kind, "urn:peer:too_large");
    for number in [MAX_BODY_LEN + 1, MAX_BODY_LEN, MAX_LONG_CONTENT_LEN] {
        assert!(refused.detail.contains(&number.to_string()), "{}", refused.detail);
    }
    // The client of this crate gets the answer too, though it is still sending.
    let huge = Content { text: Some("x".repeat(MAX_BODY_LEN)), ..Content::default() };
    let failure = rig.client.talk(&talk("entity_b", huge)).await.unwrap_err().into_failure();
    assert_eq!(failure.kind, "too_large", "{failure:?}");

    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    let head = "POST /v1/talk HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..=MAX_BODY_LEN / 0x10000 {
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn messages_stream_as_events_until_the_node_stops() {
    let rig = rig().await;
    let mut messages = rig.client.messages(None).await.unwrap();
    let first = task("task-1", "line one\nline two\r\n\u{2028}end");
    let mut second = task("task-2", "");
    second.content = Content::from_bytes(&vec![0xfe; MAX_CONTENT_LEN]);
    rig.fake.deliver(first.clone()).await;
    rig.fake.deliver(second.clone()).await;
    assert_eq!(messages.next().await.unwrap(), first);
    assert_eq!(messages.next().await.unwrap(), second);
    let reply =
        Reply { message_id: "task-1".to_owned(), content: Content::from_bytes(b"ok"), done: true };
    rig.client.answer(&reply).await.unwrap();
    assert_eq!(rig.fake.answers(1).await, [("task-1".to_owned(), reply.content, true)]);
    rig.client.shutdown().await.unwrap();
    assert!(matches!(messages.next().await, Err(ClientError::Stopped { .. })));
    assert_eq!(rig.client.status().await.unwrap_err().into_failure().kind, "stopped");
}

#[tokio::test]
async fn a_listener_that_leaves_is_noticed() {
    let rig = rig().await;
    let messages = rig.client.messages(None).await.unwrap();
    let subscriber = rig.fake.look(|memory| memory.subscribers.last().cloned()).unwrap();
    assert!(!subscriber.is_closed());
    drop(messages);
    tokio::time::timeout(Duration::from_secs(5), subscriber.closed()).await.unwrap();
}

#[tokio::test]
async fn the_event_stream_is_plain_sse() {
    let rig = rig().await;
    let mut stream = UnixStream::connect(rig.dir.socket()).await.unwrap();
    stream.write_all(b"GET /v1/messages HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    rig.fake.deliver(task("task-1", "hello")).await;
    let mut text = String::new();
    while !text.contains("\n\n") {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let value: Value = serde_json::from_str(data).unwrap();
    assert_eq!(value["content"]["text"], "hello");
    assert_eq!(value["kind"], "task");
}

#[tokio::test]
async fn the_socket_is_private() {
    let rig = rig().await;
    let metadata = std::fs::metadata(rig.dir.socket()).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    assert_eq!(std::fs::read_dir(rig.dir.root()).unwrap().count(), 1, "nothing else left behind");
}

#[tokio::test]
async fn a_live_socket_is_not_replaced_and_a_stale_one_is() {
    let rig = rig().await;
    let socket = rig.dir.socket();
    let (handle, _fake) = Fake::start();
    let error = Server::start(&socket, handle.clone()).await.unwrap_err();
    assert!(matches!(error, ServerError::InUse { .. }), "{error}");
    assert!(rig.client.status().await.is_ok());

    rig.server.stop().await;
    assert!(!socket.exists());
    let failure = rig.client.status().await.unwrap_err().into_failure();
    assert_eq!(failure.kind, "no_node");
    assert!(failure.next.contains("peer run"));

    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "a dead node's socket stays behind");
    assert_eq!(rig.client.status().await.unwrap_err().into_failure().kind, "no_node");
    let server = Server::start(&socket, handle.clone()).await.unwrap();
    assert!(rig.client.status().await.is_ok());
    server.stop().await;

    std::fs::write(&socket, "precious").unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = Server::start(&socket, handle).await.unwrap_err();
    assert!(matches!(error, ServerError::InTheWay { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[tokio::test]
async fn stopping_does_not_wait_for_listeners_forever() {
    let rig = rig().await;
    let _messages = rig.client.messages(None).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), rig.server.stop()).await.unwrap();
}
