//! A version 1.0 peer written by hand talks to the behaviour, and misbehaves.

use crate::raw_peer::{Raw, frame};
use crate::support::{Node, beside, now, payload};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::legacy::{Config, EventKind};
use peer_protocol::legacy::{Initiator, MAX_MESSAGE_LEN, Message, NonceMemory, Session};
use peer_protocol::rate_limit::{Quota, RateProfile};

async fn node_and_raw() -> (Node, Raw) {
    let mut node = Node::new("node", |config| config).await;
    let mut raw = Raw::new("raw").await;
    raw.swarm.connect(&mut node.swarm).await;
    (node, raw)
}

async fn with_session() -> (Node, Raw, Session) {
    let (mut node, mut raw) = node_and_raw().await;
    let id = node.id();
    let session = beside(&mut node, raw.open(id, "node")).await;
    (node, raw, session)
}

/// What the node answers to a message: the code of an error, or nothing.
async fn code(node: &mut Node, raw: &mut Raw, message: &[u8]) -> Option<String> {
    let id = node.id();
    beside(node, raw.code(id, message)).await
}

/// Changes the JSON of a message.
fn edited(message: &Message, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_bytes()).unwrap();
    assert!(text.contains(from), "{text}");
    text.replace(from, to).into_bytes()
}

#[tokio::test]
async fn it_opens_a_session_and_talks() {
    let (mut node, mut raw, mut session) = with_session().await;
    let task = raw.seal(&mut session, "task_delegate", payload("do it"));
    assert_eq!(code(&mut node, &mut raw, &task.to_bytes()).await, None);
    assert_eq!(node.messages(), [("task_delegate", &payload("do it"))]);
    assert!(node.sessions()[0].ends_with("with raw"));

    let id = node.send(*raw.swarm.local_peer_id(), 1, "task_result", payload("done"));
    let (result, channel) = beside(&mut node, raw.request()).await;
    let mut nonces = NonceMemory::default();
    let content = session.accept(&result, &mut nonces, now()).unwrap();
    assert_eq!((content.msg_type.as_str(), &content.payload), ("task_result", &payload("done")));
    raw.respond(channel, None);
    beside(&mut node, raw.sent()).await;
    until(&mut node, |node| node.delivered(id)).await;
}

#[tokio::test]
async fn the_node_opens_a_session_with_a_peer_whose_name_it_does_not_know() {
    let (mut node, mut raw) = node_and_raw().await;
    let id = node.send(*raw.swarm.local_peer_id(), 1, "heartbeat", payload(""));
    let mut session = beside(&mut node, raw.accept()).await;
    let (heartbeat, channel) = beside(&mut node, raw.request()).await;
    let mut nonces = NonceMemory::default();
    assert_eq!(session.accept(&heartbeat, &mut nonces, now()).unwrap().msg_type, "heartbeat");
    // Some version 1.0 peers answer in place.
    let ack = raw.seal(&mut session, "heartbeat_ack", payload("alive"));
    raw.respond(channel, Some(&ack));
    beside(&mut node, raw.sent()).await;
    until(&mut node, |node| node.delivered(id) && !node.messages().is_empty()).await;
    assert_eq!(node.messages(), [("heartbeat_ack", &payload("alive"))]);
    assert!(node.sessions()[0].ends_with("with raw"));
}

#[tokio::test]
async fn tampered_and_replayed_messages_are_refused_and_the_session_goes_on() {
    let (mut node, mut raw, mut session) = with_session().await;
    let first = raw.seal(&mut session, "task_delegate", payload("one"));
    let second = raw.seal(&mut session, "task_delegate", payload("two"));
    let third = raw.seal(&mut session, "task_delegate", payload("three"));
    let other = "00000000-0000-4000-8000-000000000000";
    let id = session.id().to_string();
    for (bytes, expected) in [
        (edited(&first, "\"one\"", "\"won\""), Some("INVALID_SIGNATURE")),
        (edited(&first, "task_delegate", "wake_up"), Some("INVALID_SIGNATURE")),
        (edited(&first, "\"sender_id\":\"raw\"", "\"sender_id\":\"a\""), Some("INVALID_SIGNATURE")),
        (edited(&first, &id, other), Some("SESSION_NOT_FOUND")),
        (first.to_bytes(), None),
        (first.to_bytes(), Some("SEQUENCE_ERROR")),
        (edited(&first, "\"sequence_num\":0", "\"sequence_num\":1"), Some("REPLAY_DETECTED")),
        (third.to_bytes(), None),
        (second.to_bytes(), Some("SEQUENCE_ERROR")),
    ] {
        assert_eq!(code(&mut node, &mut raw, &bytes).await.as_deref(), expected);
    }
    assert_eq!(node.messages().len(), 2);
}

#[tokio::test]
async fn a_handshake_is_refused_when_replayed_tampered_or_under_another_key() {
    let (mut node, mut raw) = node_and_raw().await;
    let name = "node".parse().unwrap();
    let (_, handshake) = Initiator::start(&raw.me, &name, now(), &mut raw.rng).unwrap();
    let tampered = edited(&handshake, "initiate", "Initiate");
    assert_eq!(code(&mut node, &mut raw, &tampered).await.unwrap(), "INVALID_VERSION");
    let elsewhere = edited(&handshake, "\"node\"", "\"other\"");
    assert_eq!(code(&mut node, &mut raw, &elsewhere).await.unwrap(), "INVALID_SIGNATURE");

    let stranger = Raw::new("stranger").await;
    let (_, foreign) = Initiator::start(&stranger.me, &name, now(), &mut raw.rng).unwrap();
    assert_eq!(code(&mut node, &mut raw, &foreign.to_bytes()).await.unwrap(), "INVALID_SIGNATURE");

    let id = node.id();
    let ack = beside(&mut node, raw.ask(id, frame(&handshake.to_bytes()))).await.unwrap();
    assert_eq!(Message::parse(&ack).unwrap().content().msg_type, "handshake_ack");
    assert_eq!(code(&mut node, &mut raw, &handshake.to_bytes()).await.unwrap(), "REPLAY_DETECTED");
    assert!(node.sessions().is_empty());
}

#[tokio::test]
async fn messages_without_a_session_are_refused() {
    let (mut node, mut raw, mut session) = with_session().await;
    let id = *raw.swarm.local_peer_id();
    node.swarm.behaviour_mut().close(&id);
    until(&mut node, |node| node.has(|e| matches!(e, EventKind::SessionEnded { .. }))).await;
    let message = raw.seal(&mut session, "task_delegate", payload("late"));
    let refused = code(&mut node, &mut raw, &message.to_bytes()).await;
    assert_eq!(refused.as_deref(), Some("SESSION_NOT_FOUND"));
    let session_id = format!("\"session_id\":\"{}\"", session.id());
    let bare = edited(&message, &session_id, "\"session_id\":null");
    assert_eq!(code(&mut node, &mut raw, &bare).await.as_deref(), Some("INVALID_STATE"));
}

#[tokio::test]
async fn garbage_and_oversized_frames_get_an_error_and_the_connection_survives() {
    let (mut node, mut raw, mut session) = with_session().await;
    for garbage in [&b""[..], b"garbage", b"{}", b"[1]", b"\xff\xfe", b"{\"version\":\"2.0\"}"] {
        let refused = code(&mut node, &mut raw, garbage).await;
        assert_eq!(refused.as_deref(), Some("INVALID_VERSION"), "{garbage:?}");
    }
    let oversized = vec![b'x'; MAX_MESSAGE_LEN + 1];
    let id = node.id();
    let answer = beside(&mut node, raw.ask(id, frame(&oversized))).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("65537 bytes of JSON are over the limit of 65536"), "{answer}");
    let message = raw.seal(&mut session, "task_delegate", payload("still here"));
    assert_eq!(code(&mut node, &mut raw, &message.to_bytes()).await, None);
    assert_eq!(node.messages().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_garbage_fails_the_message_and_not_the_session() {
    let (mut node, mut raw) = node_and_raw().await;
    let peer = *raw.swarm.local_peer_id();
    let id = node.send(peer, 1, "heartbeat", payload(""));
    beside(&mut node, raw.accept()).await;
    let (_, channel) = beside(&mut node, raw.request()).await;
    raw.swarm.behaviour_mut().send_response(channel, frame(b"garbage")).unwrap();
    beside(&mut node, raw.sent()).await;
    until(&mut node, |node| {
        node.has(|event| matches!(event, EventKind::Failed { id: failed, .. } if *failed == id))
    })
    .await;
    assert!(!node.has(|event| matches!(event, EventKind::SessionEnded { .. })));
}

#[tokio::test]
async fn over_the_rate_a_message_is_refused_before_its_signature_is_looked_at() {
    let once = Quota { per_minute: 1, burst: 1 };
    let rate = RateProfile { task: once, ..RateProfile::default() };
    let mut node = Node::new("node", |config| Config { rate, ..config }).await;
    let mut raw = Raw::new("raw").await;
    raw.swarm.connect(&mut node.swarm).await;
    let id = node.id();
    let mut session = beside(&mut node, raw.open(id, "node")).await;
    let message = raw.seal(&mut session, "task_delegate", payload("one"));
    let tampered = edited(&message, "\"one\"", "\"won\"");
    for expected in ["INVALID_SIGNATURE", "RATE_LIMITED", "RATE_LIMITED"] {
        assert_eq!(code(&mut node, &mut raw, &tampered).await.as_deref(), Some(expected));
    }
    let heartbeat = raw.seal(&mut session, "heartbeat", payload(""));
    assert_eq!(code(&mut node, &mut raw, &heartbeat.to_bytes()).await, None);
    assert_eq!(node.messages(), [("heartbeat", &payload(""))]);
}

/// Runs the node until `done`.
async fn until(node: &mut Node, done: impl Fn(&Node) -> bool) {
    while !done(node) {
        let event = node.swarm.next_behaviour_event().await;
        node.events.push(event.kind);
    }
}

#[tokio::test]
async fn whoever_sends_too_much_again_and_again_is_disconnected() {
    let (mut node, mut raw) = node_and_raw().await;
    let (id, peer) = (node.id(), *raw.swarm.local_peer_id());
    let oversized = frame(&vec![b'x'; MAX_MESSAGE_LEN + 1]);
    let mut answered = 0;
    while beside(&mut node, raw.ask(id, oversized.clone())).await.is_ok() {
        answered += 1;
        assert!(answered < 100);
    }
    assert!(answered >= 10, "{answered}");
    while node.swarm.is_connected(&peer) {
        tokio::select! {
            _ = node.swarm.next_swarm_event() => {}
            _ = raw.swarm.next_swarm_event() => {}
        }
    }
}
