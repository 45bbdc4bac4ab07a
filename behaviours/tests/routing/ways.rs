//! Ways through the network: lines, rings, and from hops to a direct connection and back.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p_core::upgrade::Version;
use peer_protocol::link::Event;

use crate::common::{custom, listen};
use crate::node::{Node, Saw, deliveries, line};

#[tokio::test]
async fn six_in_a_line_talk_end_to_end_in_both_directions() {
    let mut nodes = line(6).await;
    let (first, last) = (nodes[0].id, nodes[5].id);
    let there = nodes[0].send(last, "to the other end");
    nodes[0].receipt(there).await;
    assert_eq!(deliveries(&nodes[5].rest(), there), 1);
    let back = nodes[5].send(first, "and back");
    nodes[5].receipt(back).await;
    assert_eq!(nodes[0].hops_to(last).await, Some(5));
    assert_eq!(nodes[5].hops_to(first).await, Some(5));
    assert_eq!(deliveries(&nodes[0].rest(), back), 1);
    for carrier in &nodes[1..5] {
        // Three exchanges of the handshake, and a message each way.
        assert!(carrier.stats().await.carried >= 5);
    }
    // Carriers have no session and no message of what they carried.
    for carrier in &mut nodes[1..5] {
        let saw = carrier.rest();
        assert!(!saw.iter().any(|saw| matches!(saw, Saw::Link(..))), "{saw:?}");
    }
}

/// Two ways from one end to the other: the short one dies, without a word, and the long one is found.
#[tokio::test]
async fn when_a_carrier_dies_in_a_ring_the_other_way_is_found_within_three_seconds() {
    for silent in [true, false] {
        let mut ring = line(6).await;
        let address = ring[5].address.clone();
        ring[0].connect(&address).await;
        let target = ring[2].id;
        let first = ring[0].send(target, "the short way");
        ring[0].receipt(first).await;
        assert_eq!(ring[0].hops_to(target).await, Some(2));

        // Dead with its connections open, or gone with them.
        let carrier = if silent {
            ring[1].freeze();
            None
        } else {
            Some(ring.remove(1))
        };
        drop(carrier);
        let started = Instant::now();
        let second = ring[0].send(target, "the long way");
        ring[0].receipt(second).await;
        let took = started.elapsed();
        assert!(took < Duration::from_secs(3), "silent: {silent}, took {took:?}");
        assert_eq!(ring[0].hops_to(target).await, Some(4));

        // From now on it goes there at once.
        let started = Instant::now();
        let third = ring[0].send(target, "again");
        ring[0].receipt(third).await;
        assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
        let at = ring.iter().position(|node| node.id == target).unwrap();
        let saw = ring[at].rest();
        for message in [first, second, third] {
            assert_eq!(deliveries(&saw, message), 1);
        }
    }
}

/// From direct to hops and back, with messages all the while: one session, and each message once.
#[tokio::test]
async fn a_change_of_ways_loses_neither_the_session_nor_a_message() {
    let mut nodes = line(3).await;
    let (a, c) = (nodes[0].id, nodes[2].id);
    let mut sent = Vec::new();
    let mut sessions = 0;
    let address = nodes[2].address.clone();
    for round in 0..3 {
        let over_hops = nodes[0].send(c, "over hops");
        let early = nodes[0].send(c, "as the way changes");
        nodes[0].connect(&address).await;
        let direct = nodes[0].send(c, "direct");
        sent.extend([over_hops, early, direct]);
        let mut open = vec![over_hops, early, direct];
        while !open.is_empty() {
            let ids = nodes[0]
                .until(|saw| match saw {
                    Saw::Link(Event::Receipts { ids, .. }) => Some(ids.clone()),
                    Saw::Link(Event::SessionReady(_)) => {
                        sessions += 1;
                        None
                    }
                    Saw::Link(Event::Failed { why, .. }) => panic!("round {round}: {why}"),
                    _ => None,
                })
                .await;
            open.retain(|message| !ids.contains(message));
        }
        let late = nodes[0].send(c, "as the connection closes");
        nodes[0].disconnect(c).await;
        let answer = nodes[2].send(a, "the other way");
        nodes[0].receipt(late).await;
        nodes[2].receipt(answer).await;
        sent.push(late);
    }
    assert!(sessions <= 1, "{sessions} sessions");
    let saw = nodes[2].rest();
    let mut ended = saw.iter().filter(|saw| matches!(saw, Saw::Link(Event::SessionEnded { .. })));
    assert!(ended.next().is_none());
    assert!(nodes[1].stats().await.carried > 0);
}

#[tokio::test]
async fn without_a_route_a_message_waits_and_goes_once_there_is_one() {
    let mut nodes = line(2).await;
    let stranger = Node::new("entity_x").await;
    let waiting = nodes[0].send(stranger.id, "whenever you come");
    // What must not happen leaves nothing to wait for but time.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let failed = nodes[0].rest();
    let failed = failed.iter().any(|saw| matches!(saw, Saw::Link(Event::Failed { .. })));
    assert!(!failed, "it has time");
    nodes[1].connect(&stranger.address).await;
    nodes[0].receipt(waiting).await;

    // And one without time is told so.
    let nobody = libp2p_identity::Keypair::generate_ed25519().public().to_peer_id();
    let hopeless = nodes[0].send_for(nobody, "nobody is there", Duration::from_millis(600));
    nodes[0]
        .until(|saw| match saw {
            Saw::Link(Event::Failed { id, .. }) if *id == hopeless => Some(()),
            _ => None,
        })
        .await;
}

/// A neighbour that does not speak the protocol is none.
#[tokio::test]
async fn who_does_not_speak_of_hops_is_not_asked_twice() {
    let mut a = Node::new("entity_a").await;
    let keypair = libp2p_identity::Keypair::generate_ed25519();
    let mut deaf = custom(&keypair, Version::V1Lazy, libp2p_swarm::dummy::Behaviour);
    let address = listen(&mut deaf).await;
    tokio::spawn(async move {
        loop {
            deaf.select_next_some().await;
        }
    });
    a.connect(&address).await;
    assert_eq!(a.stats().await.neighbours, 1, "nobody has said anything yet");
    let b = Node::new("entity_b").await;
    let id = a.send(b.id, "not that way");
    let carrier = Node::new("entity_c").await;
    b.dial(&carrier.address);
    a.connect(&carrier.address).await;
    a.receipt(id).await;
    assert_eq!(a.stats().await.neighbours, 1);
}

/// A node that carries nothing for others still sends and receives over hops.
#[tokio::test]
async fn carrying_can_be_switched_off_without_cutting_oneself_off() {
    let off = |config: &mut peer_protocol::routing::Config| config.carry = false;
    let mut a = Node::with("entity_a", off).await;
    let carrier = Node::new("entity_b").await;
    let mut c = Node::with("entity_c", off).await;
    let far = Node::new("entity_d").await;
    a.connect(&carrier.address).await;
    c.connect(&carrier.address).await;
    c.connect(&far.address).await;
    let id = a.send(c.id, "both ends carry nothing");
    a.receipt(id).await;
    let refused = a.send_for(far.id, "only c could carry this", Duration::from_millis(600));
    a.until(|saw| match saw {
        Saw::Link(Event::Failed { id, .. }) if *id == refused => Some(()),
        _ => None,
    })
    .await;
    let stats = c.stats().await;
    assert_eq!(stats.carried, 0);
    let reason = peer_protocol::routing::Reason::NotCarrying;
    assert!(stats.refused.iter().any(|(why, count)| *why == reason && *count > 0), "{stats:?}");
}
