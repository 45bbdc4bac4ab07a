//! Three parties: a version 1.0 peer, a node with a gateway, and a node behind it.

use std::time::Duration;

use peer_node::config::NodeConfig;
use peer_node::model::{Content, ForwardedContent, Incoming, ToForward};
use peer_node::{Handle, Node, Store};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::Fingerprint;
use peer_protocol::legacy::Message;
use serde_json::json;

use crate::support::{
    Gateway, LIMIT, Old, Saying, Stub, agent, config, gateway_of, gateway_with, next, request, say,
};

/// A node of version 1.1, connected to the gateway.
async fn node(entity: &str, gateway: &Gateway) -> Handle {
    let node = Node::builder().config(config(entity)).start().await.unwrap();
    let handle = node.handle();
    handle.connect(gateway.address.parse().unwrap()).await.unwrap();
    handle
}

/// The same, and its name is pinned to its key at the gateway.
async fn pinned(entity: &str, gateway: &Gateway) -> Handle {
    let handle = node(entity, gateway).await;
    pin(&handle, gateway).await;
    handle
}

async fn pin(node: &Handle, gateway: &Gateway) {
    let status = node.status().await.unwrap();
    gateway.handle.pin(status.entity, status.fingerprint).await.unwrap();
}

fn content(message: &Incoming) -> ForwardedContent {
    ForwardedContent::read(&message.content).unwrap()
}

#[tokio::test]
async fn a_version_1_0_peer_asks_somebody_behind_the_gateway() {
    let old = Old::new("old", 1);
    let gateway = gateway_with(vec![old.named(None)], &["third"], |config| config, None).await;
    let third = pinned("third", &gateway).await;
    let mut messages = third.subscribe(None).await.unwrap();

    let task = old.task("third", "sum", "task-17");
    let asked = say(gateway.at, &task);
    let answered = async {
        let message = next(&mut messages).await;
        assert_eq!(message.from.as_str(), "new", "the gateway sealed it");
        let writer = message.forwarded.clone().unwrap();
        assert_eq!((writer.entity.as_str(), writer.version.as_str()), ("old", "1.0"));
        assert!(!writer.encrypted && !message.encrypted, "it was readable on its way");
        let ForwardedContent { message: said, signed, .. } = content(&message);
        assert_eq!(said, "sum");
        // What the version 1.0 peer signed is there for whoever wants to check.
        let signed = Message::parse(signed.unwrap().as_bytes()).unwrap();
        assert_eq!(signed.verify(&old.key()), Ok(()));
        assert_eq!(signed.content().recipient_id.as_ref().unwrap().as_str(), "third");
        third.answer(&message.message_id, Content::from_bytes(b"3"), true).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    assert_eq!(answer.body["msg_type"], "task_result", "{answer:?}");
    assert_eq!(answer.body["sender_id"], "new", "the gateway signed it");
    let payload = &answer.body["payload"];
    assert_eq!((&payload["message"], &payload["in_reply_to"]), (&json!("3"), &json!("task-17")));
    assert_eq!(
        (&payload["status"], &payload["forwarded"]["entity_id"]),
        (&json!("done"), &json!("third"))
    );

    say(gateway.at, &old.report("third", "half way")).await.taken();
    let message = next(&mut messages).await;
    assert_eq!(message.status.as_deref(), Some("half way"));
    assert_eq!(message.forwarded.unwrap().entity.as_str(), "old");
    assert_eq!(
        request(gateway.at, "GET", "/stats", "").await.body["forwarded"]["to_version_1_1"],
        2
    );
}

#[tokio::test]
async fn somebody_behind_the_gateway_asks_a_version_1_0_peer() {
    let old = Old::new("old", 1);
    let mut stub = Stub::receiving().await;
    let named = vec![old.named(Some(stub.url.clone()))];
    let gateway = gateway_with(named, &["third"], |config| config, None).await;
    // The agent at the gateway hears nothing of it.
    let mut at_gateway = agent(&gateway.handle).await;
    let third = pinned("third", &gateway).await;

    let question = ToForward { to: "old".parse().unwrap(), message: "sum".to_owned() };
    let asked = third.talk("new", question.to_content(), Some("c1".to_owned()), LIMIT);
    let answered = async {
        let question = stub.next().await;
        assert_eq!(
            (&question["sender_id"], &question["msg_type"]),
            (&json!("new"), &json!("task_delegate"))
        );
        let payload = &question["payload"];
        assert_eq!((&payload["message"], &payload["session_id"]), (&json!("sum"), &json!("c1")));
        assert_eq!(payload["forwarded"], json!({ "entity_id": "third", "version": "1.1" }));
        let id = payload["message_id"].as_str().unwrap();
        let payload = format!(r#"{{"in_reply_to":"{id}","message":"3","status":"done"}}"#);
        let result = old.write("task_result", Saying { payload: &payload, ..Saying::default() });
        say(gateway.at, &result).await.taken();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    let answer = answer.unwrap();
    assert!(answer.done);
    let said = ForwardedContent::read(&answer.content).unwrap();
    assert_eq!((said.message.as_str(), said.forwarded.entity.as_str()), ("3", "old"));
    assert!(!said.forwarded.encrypted);
    assert!(at_gateway.try_recv().is_err());
    // Its task is taken once the answer is on disk.
    let taken = async {
        while gateway.handle.inbox(Default::default()).await.unwrap().total > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, taken).await.unwrap();
}

#[tokio::test]
async fn who_is_not_on_the_list_is_not_served() {
    let old = Old::new("old", 1);
    let stub = Stub::receiving().await;
    let named = vec![old.named(Some(stub.url.clone()))];
    let gateway = gateway_with(named, &["third"], |config| config, None).await;
    let (third, fourth) = (pinned("third", &gateway).await, node("fourth", &gateway).await);

    say(gateway.at, &old.task("fourth", "x", "1")).await.refused(403, "INVALID_SIGNATURE");
    let wake = Saying { to: "third", ..Saying::default() };
    say(gateway.at, &old.write("wake_up", wake)).await.refused(409, "INVALID_STATE");

    let question = ToForward { to: "old".parse().unwrap(), message: "x".to_owned() };
    let answer = fourth.talk("new", question.to_content(), None, LIMIT).await.unwrap();
    assert!(!answer.done);
    assert!(answer.content.text.unwrap().contains("passes nothing on for you"));

    // Nobody is reached whom the operator has not named, and nonsense is told.
    let question = ToForward { to: "stranger".parse().unwrap(), message: "x".to_owned() };
    let answer = third.talk("new", question.to_content(), None, LIMIT).await.unwrap();
    assert!(!answer.done && answer.content.text.unwrap().contains("stranger"));
    let content_type = Some(ToForward::CONTENT_TYPE.to_owned());
    let nonsense = Content { content_type, ..Content::from_bytes(b"{}") };
    let answer = third.talk("new", nonsense, None, LIMIT).await.unwrap();
    assert!(!answer.done && answer.content.text.unwrap().contains("expected"));
}

#[tokio::test]
async fn an_entity_that_is_not_there_is_told_to_who_asked() {
    let old = Old::new("old", 1);
    let dht = |config: NodeConfig| config.with_dht(peer_node::config::DhtMode::Off);
    let gateway = gateway_with(vec![old.named(None)], &["nobody"], dht, None).await;
    let elsewhere = Old::new("nobody", 9);
    let fingerprint = Fingerprint::of(&elsewhere.key());
    gateway.handle.pin("nobody".parse().unwrap(), fingerprint).await.unwrap();
    let answer = say(gateway.at, &old.task("nobody", "x", "task-1")).await;
    assert_eq!(answer.body["payload"]["status"], "failed", "{answer:?}");
    assert_eq!(answer.body["payload"]["in_reply_to"], "task-1");
    assert!(
        answer.body["payload"]["message"].as_str().unwrap().contains("no peer is known"),
        "{answer:?}"
    );
}

/// What a gateway brings is known for that however long it is, and what is too long to go back is told.
#[tokio::test]
async fn long_messages_are_marked_too_and_answers_that_do_not_fit_are_told() {
    let old = Old::new("old", 1);
    let gateway = gateway_with(vec![old.named(None)], &["third"], |config| config, None).await;
    let third = pinned("third", &gateway).await;
    let mut messages = third.subscribe(None).await.unwrap();
    let task = old.task("third", &"x".repeat(50_000), "task-1");
    let asked = say(gateway.at, &task);
    let answered = async {
        let message = next(&mut messages).await;
        assert!(!message.encrypted && message.forwarded.is_some());
        let ForwardedContent { message: said, signed, .. } = content(&message);
        assert_eq!((said.len(), signed), (50_000, None));
        let long = Content::from_bytes("y".repeat(65_000).as_bytes());
        third.answer(&message.message_id, long, true).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    let payload = &answer.body["payload"];
    assert_eq!((&payload["status"], &payload["in_reply_to"]), (&json!("failed"), &json!("task-1")));
    assert!(payload["message"].as_str().unwrap().contains("at most 65536"), "{payload}");
}

/// A name that nobody has pinned belongs to whoever comes first: it opens nothing, either way.
#[tokio::test]
async fn a_name_on_the_list_counts_once_it_is_pinned() {
    let old = Old::new("old", 1);
    let mut stub = Stub::receiving().await;
    let named = vec![old.named(Some(stub.url.clone()))];
    let gateway = gateway_with(named, &["third"], |config| config, None).await;
    let impostor = node("third", &gateway).await;
    let mut heard = impostor.subscribe(None).await.unwrap();

    say(gateway.at, &old.task("third", "secret", "1")).await.refused(409, "INVALID_STATE");
    say(gateway.at, &old.report("third", "secret")).await.refused(409, "INVALID_STATE");
    let question = ToForward { to: "old".parse().unwrap(), message: "x".to_owned() };
    let answer = impostor.talk("new", question.to_content(), None, LIMIT).await.unwrap();
    assert!(!answer.done && answer.content.text.unwrap().contains("pin your name"));
    assert!(heard.try_recv().is_err() && stub.posted.try_recv().is_err());

    pin(&impostor, &gateway).await;
    say(gateway.at, &old.report("third", "now")).await.taken();
    assert_eq!(next(&mut heard).await.status.as_deref(), Some("now"));
}

/// What was being passed on when the gateway stopped is nothing for its agent, whatever it reads, and its
/// sender is told that its fate is unknown.
#[tokio::test]
async fn a_restart_does_not_hand_what_was_under_way_to_the_agent() {
    let old = Old::new("old", 1);
    let mut stub = Stub::receiving().await;
    let dir = tempfile::tempdir().unwrap();
    let builder = || {
        let key = Ed25519Authenticator::from_seed(&[42; 32]);
        Node::builder().store(Store::open(&dir.path().join("store")).unwrap()).key(key)
    };
    let named = vec![old.named(Some(stub.url.clone()))];
    let gateway = gateway_of(builder(), named, &["third"], |config| config).await;
    let third = pinned("third", &gateway).await;
    let question = ToForward { to: "old".parse().unwrap(), message: "private".to_owned() };
    let asking = {
        let (third, content) = (third.clone(), question.to_content());
        tokio::spawn(async move { third.talk("new", content, None, 2 * LIMIT).await })
    };
    assert_eq!(stub.next().await["payload"]["message"], "private");
    gateway.handle.shutdown().await;

    let named = vec![old.named(None)];
    let gateway = gateway_of(builder(), named, &["third"], |config| config).await;
    let mut at_gateway = gateway.handle.subscribe(None).await.unwrap();
    let listed = gateway.handle.inbox(Default::default()).await.unwrap();
    for line in listed.items {
        let shown = gateway.handle.inbox_message(&line.message_id).await;
        assert!(shown.is_err(), "{shown:?}");
    }
    third.connect(gateway.address.parse().unwrap()).await.unwrap();
    let answer = asking.await.unwrap().unwrap();
    assert!(!answer.done);
    let said = answer.content.text.unwrap();
    assert!(said.contains("restarted") && said.contains("unknown"), "{said}");
    // What comes next is the first that the agent hears.
    let content = Content::from_bytes(b"");
    third.report("new", "next".to_owned(), None, content, LIMIT).await.unwrap();
    assert_eq!(next(&mut at_gateway).await.status.as_deref(), Some("next"));
}
