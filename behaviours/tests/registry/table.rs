//! Who gets into the routing table, with which addresses.

use libp2p_core::{Multiaddr, PeerId};
use peer_behaviours::registry::{Behaviour, Config, Event, Mode};
use std::sync::Arc;

use crate::entities::Entity;
use crate::net::Net;

fn alone(local_addresses: bool) -> Behaviour {
    let clock = Arc::new(Net::new().clock);
    let config = Config { local_addresses, ..Config::new(clock, [1; 32]) };
    Behaviour::new(Entity::new("alone", 1).peer(), config)
}

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

/// Ids of peers in one bucket: the farthest, where half of all peers are.
fn far(count: u16) -> Vec<PeerId> {
    use peer_protocol::registry::Place;
    let own = Place::of(&Entity::new("alone", 1).peer().to_bytes());
    let peers = (100..).map(|number| Entity::new("x", number).peer());
    let far = peers.filter(|peer| own.distance(&Place::of(&peer.to_bytes()))[0] & 0x80 != 0);
    far.take(count.into()).collect()
}

#[test]
fn a_bucket_takes_three_peers_of_one_public_network() {
    let mut registry = alone(true);
    let peers = far(10);
    for (number, peer) in peers[..4].iter().enumerate() {
        let taken =
            registry.add_address(*peer, address(&format!("/ip4/198.51.100.{number}/tcp/1")));
        assert_eq!(taken, number < 3);
    }
    assert!(registry.add_address(peers[0], address("/ip4/198.51.100.9/tcp/1")), "it is in already");
    assert!(registry.add_address(peers[4], address("/ip4/203.0.113.1/tcp/1")));
    for peer in &peers[5..] {
        assert!(
            registry.add_address(*peer, address("/ip4/127.0.0.1/tcp/1")),
            "local ones are free"
        );
    }
    assert_eq!(registry.table().peers, 9);
    registry.remove_peer(&peers[0]);
    assert_eq!(registry.table().peers, 8);
    assert!(registry.add_address(peers[3], address("/ip4/198.51.100.3/tcp/1")));
}

/// What somebody might have a node of the public network dial in its own.
const LOCAL: [&str; 5] = [
    "/ip4/127.0.0.1/tcp/80/ws",
    "/ip4/192.168.1.1/tcp/1",
    "/memory/1",
    "/ip6/::1/tcp/1",
    "/dns/intranet/tcp/1",
];

#[test]
fn a_node_of_the_public_network_takes_no_local_addresses() {
    let mut registry = alone(false);
    let peer = PeerId::random();
    for local in LOCAL {
        assert!(!registry.add_address(peer, address(local)), "{local}");
    }
    assert!(registry.add_address(peer, address("/ip4/198.51.100.1/udp/9/quic-v1")));
}

#[test]
fn a_node_that_finds_itself_in_the_public_network_forgets_local_addresses() {
    let mut registry = alone(true);
    let (both, local) = (PeerId::random(), PeerId::random());
    let public = address("/ip4/198.51.100.1/udp/9/quic-v1");
    for text in LOCAL {
        assert!(registry.add_address(local, address(text)), "{text}");
    }
    registry.add_address(both, address(LOCAL[0]));
    registry.add_address(both, public.clone());
    registry.set_local_addresses(false);
    let public = public.with_p2p(both).unwrap();
    assert_eq!(registry.neighbours(), [(both, vec![public])]);
    assert!(!registry.add_address(local, address(LOCAL[0])));
    registry.set_local_addresses(true);
    assert!(registry.add_address(local, address(LOCAL[0])));
}

#[tokio::test]
async fn of_each_peer_the_latest_four_addresses_are_kept() {
    let net = Net::new();
    let mut node = net.node(Entity::new("alone", 1), Mode::Server, |_| {}).await;
    let peer = PeerId::random();
    for number in 1..=9 {
        let one = address(&format!("/ip4/127.0.0.1/tcp/{number}"));
        assert!(node.call(move |registry| registry.add_address(peer, one)).await);
    }
    node.until(|event| matches!(event, Event::TableChanged { peers: 1 }).then_some(())).await;
    let mut neighbours = node.call(Behaviour::neighbours).await;
    while neighbours[0].1.len() > 4 {
        tokio::task::yield_now().await;
        neighbours = node.call(Behaviour::neighbours).await;
    }
    let kept: Vec<_> =
        (6..=9).map(|number| address(&format!("/ip4/127.0.0.1/tcp/{number}/p2p/{peer}"))).collect();
    assert_eq!(neighbours, [(peer, kept)]);
    node.call(move |registry| registry.remove_peer(&peer)).await;
    node.until(|event| matches!(event, Event::TableChanged { peers: 0 }).then_some(())).await;
}
