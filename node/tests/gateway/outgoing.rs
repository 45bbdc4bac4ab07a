//! Peers with a URL: what a node says reaches their servers, and what they answer comes back.

use std::time::Duration;

use peer_node::NodeError;
use peer_node::model::{Content, Delivery};
use peer_protocol::error::ErrorCode;
use peer_protocol::legacy::Message;
use serde_json::{Value, json};

use crate::support::{LIMIT, Old, Saying, Stub, gateway, say};

fn text(text: &str) -> Content {
    Content::from_bytes(text.as_bytes())
}

/// The original's way: the question is posted to one server, the answer to the other.
#[tokio::test]
async fn a_question_is_posted_and_its_answer_posted_back() {
    let old = Old::new("old", 1);
    let mut stub = Stub::receiving().await;
    let gateway = gateway(vec![old.named(Some(stub.url.clone()))]).await;
    let asked = gateway.handle.talk("old", text("sum"), Some("c1".to_owned()), LIMIT);
    let answered = async {
        let question = stub.next().await;
        assert_eq!(
            (&question["msg_type"], &question["version"]),
            (&json!("task_delegate"), &json!("1.0"))
        );
        assert_eq!(
            (&question["sender_id"], &question["recipient_id"]),
            (&json!("new"), &json!("old"))
        );
        assert_eq!(
            (&question["session_id"], &question["sequence_num"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(
            (&question["payload"]["message"], &question["payload"]["session_id"]),
            (&json!("sum"), &json!("c1"))
        );
        signed(&question);
        let id = question["payload"]["message_id"].as_str().unwrap();
        let payload = format!(r#"{{"in_reply_to":"{id}","message":"3","status":"done"}}"#);
        let result = old.write("task_result", Saying { payload: &payload, ..Saying::default() });
        say(gateway.at, &result).await.taken();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    let answer = answer.unwrap();
    assert_eq!((answer.content.text.as_deref(), answer.entity.as_str()), (Some("3"), "old"));

    let peers = serde_json::to_value(gateway.handle.peers().await.unwrap()).unwrap();
    assert_eq!(
        (&peers[0]["path"]["kind"], &peers[0]["encrypted"]),
        (&json!("http"), &json!(false))
    );
    assert_eq!(peers[0]["address"], json!(stub.url));

    let report =
        gateway.handle.report("old", "half way".to_owned(), None, Content::default(), LIMIT);
    assert_eq!(report.await.unwrap().status, Delivery::Received);
    assert_eq!(stub.next().await["payload"]["status"], "half way");
}

/// The node's signature holds over canonical JSON, under the key that the message shows.
fn signed(message: &Value) {
    let message = Message::parse(message.to_string().as_bytes()).unwrap();
    let shown = peer_protocol::legacy::shown_key(message.content()).unwrap().unwrap();
    assert_eq!(message.verify(&shown), Ok(()));
}

#[tokio::test]
async fn a_peer_may_answer_in_place() {
    let old = Old::new("old", 1);
    let mut stub = Stub::start(move |message| {
        let id = message["payload"]["message_id"].as_str().unwrap_or_default();
        let payload = format!(r#"{{"agent":"attached","in_reply_to":"{id}","status":"alive"}}"#);
        (
            200,
            Old::new("old", 1)
                .write("heartbeat_ack", Saying { payload: &payload, ..Saying::default() }),
        )
    })
    .await;
    let gateway = gateway(vec![old.named(Some(stub.url.clone()))]).await;
    let life = gateway.handle.alive("old", LIMIT).await.unwrap();
    assert!(life.alive && life.agent, "{life:?}");
    assert_eq!(stub.next().await["msg_type"], "heartbeat");
}

/// Somebody else answers in its place.
#[tokio::test]
async fn an_answer_that_the_peer_did_not_sign_does_not_count() {
    let old = Old::new("old", 1);
    let stub = Stub::start(move |_| {
        let payload = r#"{"agent":"attached","status":"alive"}"#;
        (200, Old::new("old", 2).write("heartbeat_ack", Saying { payload, ..Saying::default() }))
    })
    .await;
    let gateway = gateway(vec![old.named(Some(stub.url.clone()))]).await;
    let life = gateway.handle.alive("old", Duration::from_secs(1)).await.unwrap();
    assert!(!life.alive, "{life:?}");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let old = Old::new("old", 1);
    let stub = Stub::start(|_| (403, r#"{"error": "who are you?"}"#.to_owned())).await;
    let gateway = gateway(vec![old.named(Some(stub.url.clone()))]).await;
    let error = gateway.handle.talk("old", text("x"), None, LIMIT).await.unwrap_err();
    assert!(
        error.to_string().contains("HTTP 403") && error.to_string().contains("who are you?"),
        "{error}"
    );

    let old = Old::new("old", 1);
    let stub = Stub::start(|_| {
        let payload = r#"{"code":"ENCRYPTION_REQUIRED","detail":"no"}"#;
        (403, Old::new("old", 1).write("error", Saying { payload, ..Saying::default() }))
    })
    .await;
    let gateway = crate::support::gateway(vec![old.named(Some(stub.url.clone()))]).await;
    let error = gateway.handle.talk("old", text("x"), None, LIMIT).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Refused { code: ErrorCode::EncryptionRequired, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_and_tried_again() {
    let old = Old::new("old", 1);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let gateway = gateway(vec![old.named(Some(url.clone()))]).await;
    let life = gateway.handle.alive("old", LIMIT).await.unwrap();
    assert!(!life.alive && life.error.unwrap().contains("refused"), "and at once");
    let error = gateway.handle.talk("old", text("x"), None, Duration::from_secs(1)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("refused"), "{error}");
}

/// A peer that gives up waiting gets the answer with its next message.
#[tokio::test]
async fn an_answer_is_not_lost_on_a_connection_that_was_closed() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    let mut messages = gateway.handle.subscribe(None).await.unwrap();
    let task = old.task("new", "sum", "task-17");
    let impatient = tokio::time::timeout(Duration::from_millis(300), say(gateway.at, &task));
    assert!(impatient.await.is_err(), "nobody has answered yet");
    let message = crate::support::next(&mut messages).await;
    // The connection's end is seen at once, but not in the same instant.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.handle.answer(&message.message_id, text("3"), true).await.unwrap();
    let answer = say(gateway.at, &old.report("new", "still here")).await;
    assert_eq!(answer.body["msg_type"], "task_result", "{answer:?}");
    assert_eq!(answer.body["payload"]["in_reply_to"], "task-17");
}

/// A peer without a URL gets what waits for it with the answer to its next message.
#[tokio::test]
async fn who_has_no_url_is_told_when_it_asks() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    let asked = gateway.handle.talk("old", text("sum"), None, LIMIT);
    let answered = async {
        let question = loop {
            let answer = say(gateway.at, &old.report("new", "anything new?")).await;
            if answer.body["msg_type"] == "task_delegate" {
                break answer.body;
            }
            answer.taken();
        };
        let id = question["payload"]["message_id"].as_str().unwrap();
        let payload = format!(r#"{{"in_reply_to":"{id}","message":"3","status":"done"}}"#);
        let result = old.write("task_result", Saying { payload: &payload, ..Saying::default() });
        say(gateway.at, &result).await.taken();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    assert_eq!(answer.unwrap().content.text.as_deref(), Some("3"));
}
