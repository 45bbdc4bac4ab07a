//! The tools over HTTP.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::rig;
use crate::api::Client;
use crate::mcp::{Files, Server, http};

async fn post(router: &axum::Router, body: String) -> (StatusCode, String) {
    let request = Request::post(http::PATH)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Body::from(body))
        .unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The messages of a stream of events.
fn messages(events: &str) -> Vec<Value> {
    let data = events.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[tokio::test]
async fn each_request_stands_alone() {
    let rig = rig().await;
    let router = http::router(Server::new(Client::new(&rig.dir), Files::default()));
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "talk_to_peer", "arguments": {"peer": "entity_b", "message": "hi"}},
    });
    let (status, events) = post(&router, call.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{events}");
    let answer = messages(&events).remove(0);
    assert_eq!(answer["result"]["structuredContent"]["peer_wrote"]["text"], "hi", "{answer}");
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let (_, events) = post(&router, list.to_string()).await;
    assert_eq!(messages(&events)[0]["result"]["tools"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn requests_are_bounded_and_nothing_is_streamed_to_strangers() {
    let rig = rig().await;
    let router = http::router(Server::new(Client::new(&rig.dir), Files::default()));
    let (status, _) = post(&router, "x".repeat(http::MAX_REQUEST_LEN + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let get =
        Request::get(http::PATH).header("host", "localhost").header("accept", "text/event-stream");
    let answer = router.clone().oneshot(get.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}
