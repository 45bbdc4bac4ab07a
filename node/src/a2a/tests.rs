//! The face over HTTP, with a fake node behind it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{CardSigner, start};
use crate::api::fake::{Fake, PEER_ID};
use crate::config::A2aConfig;
use crate::events::NodeEvent;
use crate::model::Delivery;
use peer_protocol::crypto::Ed25519Authenticator;

fn face() -> (Router, Fake) {
    let (handle, fake) = Fake::start();
    let signer = CardSigner::new(&Ed25519Authenticator::from_seed(&[7; 32]));
    let routers = start(&handle, &A2aConfig::default(), signer, Vec::new()).unwrap();
    (routers.guarded.merge(routers.public), fake)
}

async fn post(face: &Router, path: &str, body: &Value) -> Value {
    let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
    let response = face.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}

fn ask(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "one", "method": method, "params": params })
}

#[tokio::test]
async fn a_message_is_a_task_of_the_peer() {
    let (face, fake) = face();
    let message = json!({"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]});
    let told =
        post(&face, "/a2a/entity_b", &ask("SendMessage", &json!({ "message": message }))).await;
    assert_eq!(told["id"], "one");
    let task = &told["result"]["task"];
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED", "{told}");
    assert_eq!(task["artifacts"][0]["parts"], json!([{"text": "hello"}]));
    assert_eq!(fake.look(|memory| memory.talks.len()), 1);
    let again =
        post(&face, "/a2a/entity_b", &ask("SendMessage", &json!({ "message": message }))).await;
    assert_eq!(again["result"]["task"]["id"], task["id"]);
    assert_eq!(fake.look(|memory| memory.talks.len()), 1, "the same message is not sent twice");

    let old = json!({"kind": "message", "messageId": "m2", "role": "user",
        "parts": [{"kind": "text", "text": "hello"}]});
    let told = post(&face, "/a2a/unable", &ask("message/send", &json!({ "message": old }))).await;
    let (kind, status) = (&told["result"]["kind"], &told["result"]["status"]);
    assert_eq!((kind, &status["state"]), (&json!("task"), &json!("failed")), "{told}");
    assert_eq!(status["message"]["parts"], json!([{"kind": "text", "text": "hello"}]));
    let id = &told["result"]["id"];
    let got = post(&face, "/a2a/unable", &ask("tasks/get", &json!({ "id": id }))).await;
    assert_eq!(got["result"], told["result"]);
    for other in ["/a2a/entity_b", "/a2a"] {
        let got = post(&face, other, &ask("tasks/get", &json!({ "id": id }))).await;
        assert_eq!(got["error"]["code"], -32001, "{got}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_task() {
    let (face, _fake) = face();
    let message = json!({"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]});
    let send = ask("SendMessage", &json!({ "message": message }));
    let told = post(&face, "/a2a/nobody", &send).await;
    assert_eq!(told["error"]["code"], -32602, "{told}");
    let told = post(&face, "/a2a/nobody", &ask("ListTasks", &json!({}))).await;
    assert_eq!(told["result"]["totalSize"], 0);
    assert_eq!(post(&face, "/a2a", &send).await["error"]["code"], -32004, "there is no agent");
    for (body, code) in [
        (json!([]), -32600),
        (json!({"jsonrpc": "2.0", "id": 1}), -32600),
        (ask("SendMessage", &json!({})), -32602),
        (ask("ListTasks", &json!({"pageSize": 101})), -32602),
        (ask("ListTasks", &json!({"pageToken": "x"})), -32602),
        (ask("tasks/pushNotificationConfig/get", &json!({})), -32003),
        (ask("x", &json!({})), -32601),
    ] {
        assert_eq!(post(&face, "/a2a/entity_b", &body).await["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn a_task_that_is_under_way_says_how_far_it_is() {
    let (face, fake) = face();
    let message = json!({"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]});
    let now = json!({ "message": message, "configuration": { "returnImmediately": true } });
    let told = post(&face, "/a2a/entity_b", &ask("SendMessage", &now)).await;
    let id = told["result"]["task"]["id"].clone();
    fake.tell(NodeEvent::Outbox {
        message_id: id.as_str().unwrap().to_owned(),
        peer: "entity_b".parse().unwrap(),
        peer_id: PEER_ID.to_owned(),
        status: Delivery::Processed,
    });
    for _ in 0..1000 {
        let got = post(&face, "/a2a/entity_b", &ask("GetTask", &json!({ "id": id }))).await;
        if got["result"]["metadata"]["delivery"] == "processed" {
            assert_eq!(got["result"]["status"]["state"], "TASK_STATE_COMPLETED");
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it was not heard");
}

#[tokio::test]
async fn the_card_says_where_it_was_asked() {
    let (face, _fake) = face();
    let request = Request::get("/.well-known/agent-card.json").header("host", "127.0.0.1:4780");
    let response = face.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let card: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(card["supportedInterfaces"][0]["url"], "http://127.0.0.1:4780/a2a");
    assert_eq!(card["signatures"].as_array().unwrap().len(), 1);
}
