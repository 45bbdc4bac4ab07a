//! Version 1.0 between two nodes.

use crate::support::{Node, payload, run};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::legacy::{Config, EventKind, Outgoing, SendError};
use peer_behaviours::secure::GateConfig;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::legacy::Object;
use peer_protocol::link::SendFailure;
use peer_protocol::rate_limit::{Quota, RateProfile};
use peer_protocol::time::Instant;
use rand::SeedableRng as _;

async fn two() -> (Node, Node) {
    let mut a = Node::new("a", |config| config).await;
    let mut b = Node::new("b", |config| config).await;
    a.swarm.connect(&mut b.swarm).await;
    (a, b)
}

#[tokio::test]
async fn messages_go_both_ways_in_one_session() {
    let (mut a, mut b) = two().await;
    let asked = a.send(b.id(), 1, "task_delegate", payload("héllo 日本"));
    run(&mut a, &mut b, |a, b| a.delivered(asked) && !b.messages().is_empty()).await;
    let answered = b.send(a.id(), 2, "task_result", payload("done"));
    run(&mut a, &mut b, |a, b| b.delivered(answered) && !a.messages().is_empty()).await;
    assert_eq!(b.messages(), [("task_delegate", &payload("héllo 日本"))]);
    assert_eq!(a.messages(), [("task_result", &payload("done"))]);
    assert_eq!((a.sessions().len(), b.sessions().len()), (1, 1));
    assert!(a.sessions()[0].ends_with("with b") && b.sessions()[0].ends_with("with a"));
    assert_eq!(a.sessions()[0].split(' ').next(), b.sessions()[0].split(' ').next());
}

#[tokio::test]
async fn when_both_begin_there_is_one_session_and_nothing_is_lost() {
    let mut a = Node::new("a", |config| config).await;
    let mut b = Node::new("b", |config| config).await;
    let first = a.send(b.id(), 1, "task_delegate", payload("from a"));
    let second = b.send(a.id(), 2, "task_delegate", payload("from b"));
    a.swarm.connect(&mut b.swarm).await;
    run(&mut a, &mut b, |a, b| a.delivered(first) && b.delivered(second)).await;
    let id = |node: &Node| node.sessions().last().unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(id(&a), id(&b));
    assert_eq!((a.messages().len(), b.messages().len()), (1, 1));
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    let trusted = |config| Config { rate: RateProfile::trusted(), ..config };
    let mut a = Node::new("a", trusted).await;
    let mut b = Node::new("b", trusted).await;
    a.swarm.connect(&mut b.swarm).await;
    for seed in 0..80 {
        a.send(b.id(), seed, "status_report", payload(&seed.to_string()));
    }
    run(&mut a, &mut b, |_, b| b.messages().len() == 80).await;
    for (index, (_, said)) in b.messages().into_iter().enumerate() {
        assert_eq!(*said, payload(&index.to_string()));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_fails_with_its_size() {
    let (mut a, mut b) = two().await;
    let large = a.send(b.id(), 1, "task_delegate", payload(&"x".repeat(70_000)));
    let small = a.send(b.id(), 2, "task_delegate", payload("x"));
    run(&mut a, &mut b, |a, _| a.delivered(small)).await;
    let told = |event: &EventKind| {
        matches!(event, EventKind::Failed { id, why: SendFailure::Refused { detail, .. } }
            if *id == large && detail.contains("limit of 65536"))
    };
    assert!(a.has(told), "{:?}", a.events);
}

#[tokio::test]
async fn where_encryption_is_required_everything_is_refused() {
    let mut a = Node::new("a", |config| config).await;
    let mut b = Node::new("b", |config| Config { require_encryption: true, ..config }).await;
    a.swarm.connect(&mut b.swarm).await;
    let id = a.send(b.id(), 1, "task_delegate", payload("secret"));
    run(&mut a, &mut b, |a, _| {
        a.has(|event| matches!(event, EventKind::HandshakeFailed { fatal: true, .. }))
    })
    .await;
    assert!(a.has(|event| {
        matches!(event, EventKind::Failed { id: failed, why: SendFailure::Refused { code, .. } }
            if *failed == id && *code == ErrorCode::EncryptionRequired)
    }));
    assert!(b.events.is_empty(), "{:?}", b.events);
    let to = a.id();
    assert_eq!(refused(&mut b, to), SendError::EncryptionRequired);
    assert_eq!(b.swarm.behaviour_mut().open(to), Err(SendError::EncryptionRequired));
}

#[tokio::test]
async fn a_peer_known_to_encrypt_is_never_spoken_to_without() {
    let (mut a, mut b) = two().await;
    let id = a.send(b.id(), 1, "task_delegate", payload("before"));
    run(&mut a, &mut b, |a, b| a.delivered(id) && !b.sessions().is_empty()).await;
    // b learns that a speaks version 1.1.
    let to = a.id();
    b.swarm.behaviour_mut().demand_encryption(to);
    assert!(b.swarm.behaviour().demands_encryption(&to));
    let late = a.send(b.id(), 2, "task_delegate", payload("after"));
    run(&mut a, &mut b, |a, b| {
        a.has(|event| {
            matches!(event, EventKind::Failed { id, why: SendFailure::Refused { code, .. } }
                if *id == late && *code == ErrorCode::EncryptionRequired)
        }) && b.has(|event| matches!(event, EventKind::SessionEnded { .. }))
    })
    .await;
    assert_eq!(b.messages().len(), 1);
    assert_eq!(refused(&mut b, to), SendError::EncryptionRequired);
}

#[tokio::test]
async fn handshakes_of_one_network_are_limited() {
    let mut a = Node::new("a", |config| config).await;
    let mut b = Node::new("b", |config| {
        let gate = GateConfig { prefix: Quota { per_minute: 60, burst: 0 }, ..config.gate };
        Config { gate, ..config }
    })
    .await;
    a.swarm.connect(&mut b.swarm).await;
    a.send(b.id(), 1, "task_delegate", payload("x"));
    run(&mut a, &mut b, |a, _| {
        a.has(|event| {
            matches!(event, EventKind::HandshakeFailed { code, fatal: false, .. }
                if *code == ErrorCode::RateLimited)
        })
    })
    .await;
}

fn refused(node: &mut Node, to: libp2p_core::PeerId) -> SendError {
    let id = MessageId::random(&mut rand::rngs::StdRng::seed_from_u64(9));
    let message = Outgoing { id, msg_type: "heartbeat".to_owned(), payload: Object::new() };
    node.swarm.behaviour_mut().send(to, message, Instant::default()).unwrap_err()
}
