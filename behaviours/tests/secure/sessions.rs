//! Sessions and messages between two swarms.

use std::time::Duration;

use libp2p_swarm::SwarmEvent;
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{EventKind, GateConfig};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::Role;
use peer_protocol::link::Event;
use peer_protocol::rate_limit::Quota;
use peer_protocol::time::Instant;

use crate::common::{drive, sessions, swarm, task};

const FAR: Duration = Duration::from_secs(3600);

fn far() -> Instant {
    Instant::from_start(FAR)
}

#[tokio::test]
async fn a_session_and_a_message() {
    let mut a = swarm("entity_a", GateConfig::default(), |_| {});
    let mut b = swarm("entity_b", GateConfig::default(), |_| {});
    b.listen().with_memory_addr_external().await;
    a.connect(&mut b).await;
    let peer = *b.local_peer_id();
    a.behaviour_mut().open(peer).unwrap();
    let [at_a, at_b] = sessions(&mut a, &mut b).await;
    assert_eq!(at_a.id, at_b.id);
    assert_eq!((at_a.role, at_b.role), (Role::Initiator, Role::Responder));
    assert_eq!((at_a.peer.as_str(), at_b.peer.as_str()), ("entity_b", "entity_a"));

    let message = task("hello");
    let id = message.id;
    a.behaviour_mut().send(peer, message, far()).unwrap();
    let (mut arrived, mut acknowledged) = (false, false);
    drive(&mut a, &mut b, |side, _, event| {
        match (side, event) {
            (1, EventKind::Link(Event::Message(message))) => arrived |= message.id == id,
            (0, EventKind::Link(Event::Receipts { ids, .. })) => acknowledged |= ids.contains(&id),
            _ => {}
        }
        (arrived && acknowledged).then_some(())
    })
    .await;
}

#[tokio::test]
async fn both_open_at_once_and_exactly_one_session_comes_out() {
    for _ in 0..10 {
        let mut a = swarm("entity_a", GateConfig::default(), |_| {});
        let mut b = swarm("entity_b", GateConfig::default(), |_| {});
        b.listen().with_memory_addr_external().await;
        a.connect(&mut b).await;
        let (id_a, id_b) = (*a.local_peer_id(), *b.local_peer_id());
        a.behaviour_mut().open(id_b).unwrap();
        b.behaviour_mut().open(id_a).unwrap();
        let [at_a, at_b] = sessions(&mut a, &mut b).await;
        assert_eq!(at_a.id, at_b.id);
        assert_ne!(at_a.role, at_b.role);
        // A message each way shows that both use it, and that no second session comes behind it.
        a.behaviour_mut().send(id_b, task("from a"), far()).unwrap();
        b.behaviour_mut().send(id_a, task("from b"), far()).unwrap();
        let mut receipts = 0;
        drive(&mut a, &mut b, |_, _, event| {
            match event {
                EventKind::Link(Event::SessionReady(info)) => panic!("a second session: {info:?}"),
                EventKind::Link(Event::Receipts { ids, .. }) => receipts += ids.len(),
                _ => {}
            }
            (receipts == 2).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_session_outlives_its_connection() {
    let mut a = swarm("entity_a", GateConfig::default(), |_| {});
    let mut b = swarm("entity_b", GateConfig::default(), |_| {});
    let (address, _) = b.listen().with_memory_addr_external().await;
    a.connect(&mut b).await;
    let peer = *b.local_peer_id();
    a.behaviour_mut().open(peer).unwrap();
    sessions(&mut a, &mut b).await;

    a.disconnect_peer_id(peer).unwrap();
    tokio::time::timeout(crate::common::PATIENCE, async {
        let mut closed = [false, false];
        while closed != [true, true] {
            let (side, event) = tokio::select! {
                event = a.next_swarm_event() => (0, matches!(event, SwarmEvent::ConnectionClosed { .. })),
                event = b.next_swarm_event() => (1, matches!(event, SwarmEvent::ConnectionClosed { .. })),
            };
            closed[side] |= event;
        }
    })
    .await
    .unwrap();
    a.behaviour_mut().send(peer, task("across the gap"), far()).unwrap();
    drive(&mut a, &mut b, |side, _, event| {
        (side == 0 && event == EventKind::Link(Event::NeedConnection)).then_some(())
    })
    .await;
    a.dial(address).unwrap();
    drive(&mut a, &mut b, |side, _, event| match (side, event) {
        (_, EventKind::Link(Event::Step { .. })) => panic!("a new handshake"),
        (1, EventKind::Link(Event::Message(_))) => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn handshakes_from_one_network_are_limited_whoever_starts_them() {
    let prefix = Quota { per_minute: 1, burst: 1 };
    let gate = GateConfig { prefix, ..GateConfig::default() };
    let mut b = swarm("entity_b", gate, |_| {});
    b.listen().with_memory_addr_external().await;
    let peer = *b.local_peer_id();

    let mut first = swarm("entity_1", GateConfig::default(), |_| {});
    first.connect(&mut b).await;
    first.behaviour_mut().open(peer).unwrap();
    sessions(&mut first, &mut b).await;

    let mut second = swarm("entity_2", GateConfig::default(), |_| {});
    second.connect(&mut b).await;
    second.behaviour_mut().open(peer).unwrap();
    let code = drive(&mut second, &mut b, |side, _, event| match (side, event) {
        (0, EventKind::Link(Event::HandshakeFailed { code, fatal, .. })) => {
            assert!(!fatal, "it may try again later");
            Some(code)
        }
        _ => None,
    })
    .await;
    assert_eq!(code, ErrorCode::RateLimited);
}
