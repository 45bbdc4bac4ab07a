//! What the gateway refuses, and how.

use peer_protocol::legacy::Message;
use serde_json::json;

use crate::support::{LIMIT, Old, Saying, agent, gateway, gateway_with, next, raw, request, say};

#[tokio::test]
async fn a_fresh_message_of_a_named_peer_is_taken_once() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    let mut messages = agent(&gateway.handle).await;
    let report = old.report("new", "half way");
    say(gateway.at, &report).await.taken();
    let message = next(&mut messages).await;
    assert_eq!((message.from.as_str(), message.status.as_deref()), ("old", Some("half way")));
    assert!(!message.encrypted);
    say(gateway.at, &report).await.refused(409, "REPLAY_DETECTED");
    assert!(messages.try_recv().is_err());

    let answer = say(gateway.at, &old.task("new", "sum", "task-17")).await;
    assert_eq!(answer.body["msg_type"], "task_result", "{answer:?}");
    assert_eq!(answer.body["payload"]["message"], "SUM");
    assert_eq!(answer.body["payload"]["in_reply_to"], "task-17");
    let answer = Message::parse(answer.body.to_string().as_bytes()).unwrap();
    let key = request(gateway.at, "GET", "/public-key", "").await.body["public_key"].clone();
    assert_eq!(answer.content().sender_public_key.as_deref(), key.as_str());

    let peers = gateway.handle.peers().await.unwrap();
    let peer = serde_json::to_value(&peers[0]).unwrap();
    assert_eq!(peer["entity"], "old");
    assert_eq!((&peer["protocol"], &peer["encrypted"]), (&json!("1.0"), &json!(false)));
    assert_eq!((&peer["path"]["kind"], &peer["trust"]), (&json!("http"), &json!("pinned")));
}

#[tokio::test]
async fn forged_old_and_foreign_messages_are_refused() {
    let (old, mallory) = (Old::new("old", 1), Old::new("old", 2));
    let gateway = gateway(vec![old.named(None)]).await;
    let mut messages = agent(&gateway.handle).await;
    say(gateway.at, &mallory.report("new", "x")).await.refused(403, "INVALID_SIGNATURE");
    let changed = old.report("new", "x").replace("\"x\"", "\"y\"");
    say(gateway.at, &changed).await.refused(403, "INVALID_SIGNATURE");
    say(gateway.at, &old.report("third", "x")).await.refused(403, "INVALID_SIGNATURE");
    for after in [-62, 62] {
        let late = old.write("heartbeat", Saying { after, ..Saying::default() });
        say(gateway.at, &late).await.refused(409, "REPLAY_DETECTED");
    }
    let stranger = Old::new("stranger", 3);
    say(gateway.at, &stranger.report("new", "x")).await.refused(409, "INVALID_STATE");
    let session = Some("78e51061-7311-48a3-82ce-6f447ed4d57b");
    let lost = Saying { session, number: Some(0), ..Saying::default() };
    let lost = stranger.write("heartbeat", lost);
    say(gateway.at, &lost).await.refused(409, "SESSION_NOT_FOUND");
    assert!(messages.try_recv().is_err());

    let stats = request(gateway.at, "GET", "/stats", "").await.body;
    assert_eq!((&stats["received"], &stats["taken"]), (&json!(7), &json!(0)));
    assert_eq!(stats["refused"]["INVALID_SIGNATURE"], 3);
    assert_eq!(stats["refused"]["REPLAY_DETECTED"], 2);
    let peers = gateway.handle.peers().await.unwrap();
    assert_eq!(peers.len(), 1, "no link is made for who has signed nothing that counts");
}

/// Signed before the node was started, and so perhaps taken by the run before this one.
#[tokio::test]
async fn what_was_sent_before_the_start_is_refused_without_a_session() {
    let old = Old::new("old", 1);
    let before = old.write("status_report", Saying { after: -5, ..Saying::default() });
    let gateway = gateway(vec![old.named(None)]).await;
    say(gateway.at, &before).await.refused(409, "REPLAY_DETECTED");
}

#[tokio::test]
async fn what_is_no_message_is_told_from_what_is_no_request() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    let at = gateway.at;
    for body in ["", "{", "[]", "nonsense", r#"{"version":"1.0"}"#, r#"{"a":1,"a":2}"#] {
        let answer = say(at, body).await;
        answer.refused(400, "INVALID_VERSION");
        let answer = Message::parse(answer.body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.content().sender_id.as_str(), "new", "refusals are signed");
    }
    let other = old.report("new", "x").replace(r#""version": "1.0""#, r#""version": "1.1""#);
    say(at, &other).await.refused(400, "INVALID_VERSION");

    let large = "x".repeat(65_537);
    let answer = say(at, &large).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("INVALID_VERSION")));
    // Without a length the body is counted.
    let chunk = "x".repeat(0x8000);
    let chunks = format!("8000\r\n{chunk}\r\n").repeat(3);
    let head = "POST /message HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(raw(at, format!("{head}{chunks}0\r\n\r\n").as_bytes()).await.status, 413);
    let fitting = "[".repeat(65_536);
    assert_eq!(say(at, &fitting).await.status, 400);

    for (method, path, status, kind) in [
        ("GET", "/nowhere", 404, "urn:peer:not_found"),
        ("POST", "/v1/talk", 404, "urn:peer:not_found"),
        ("GET", "/message", 405, "urn:peer:method_not_allowed"),
        ("POST", "/health", 405, "urn:peer:method_not_allowed"),
    ] {
        let answer = request(at, method, path, "").await;
        assert_eq!((answer.status, &answer.body["type"]), (status, &json!(kind)), "{path}");
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        assert!(answer.body["next"].as_str().unwrap().contains("/message"));
    }
    assert_eq!(raw(at, b"nonsense\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn where_encryption_is_required_nothing_gets_through_either_way() {
    let old = Old::new("old", 1);
    let named = vec![old.named(Some("http://127.0.0.1:9".to_owned()))];
    let require = |config: peer_node::config::NodeConfig| config.with_require_encryption(true);
    let gateway = gateway_with(named, &[], require, None).await;
    say(gateway.at, &old.report("new", "x")).await.refused(403, "ENCRYPTION_REQUIRED");
    let talk = gateway.handle.talk("old", Default::default(), None, LIMIT).await.unwrap_err();
    assert!(talk.to_string().contains("ENCRYPTION_REQUIRED"), "{talk}");
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_the_configuration_names_it() {
    let old = Old::new("old", 1);
    let gateway = gateway(vec![old.named(None)]).await;
    say(gateway.at, &old.report("new", "x")).await.taken();
    gateway.handle.revoke("old").await.unwrap();
    say(gateway.at, &old.report("new", "x")).await.refused(403, "INVALID_SIGNATURE");
}

#[tokio::test]
async fn anybody_may_ask_who_this_is_and_whom_it_reaches() {
    let gateway = gateway_with(vec![], &["third"], |config| config, None).await;
    let ask = |path| request(gateway.at, "GET", path, "");
    let health = ask("/health").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
    assert_eq!(
        (&health.body["entity_id"], &health.body["agent"]),
        (&json!("new"), &json!("absent"))
    );
    let status = gateway.handle.status().await.unwrap();
    let key = ask("/public-key").await.body;
    assert_eq!(key["fingerprint"], json!(status.fingerprint));
    assert_eq!(key["public_key"].as_str().unwrap().len(), 64);
    let peers = ask("/peers").await.body;
    let names: Vec<_> =
        peers["peers"].as_array().unwrap().iter().map(|it| &it["entity_id"]).collect();
    assert_eq!(names, ["new", "third"]);
}
