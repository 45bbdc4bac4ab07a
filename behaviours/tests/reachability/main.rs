//! Testing addresses, against the AutoNAT v2 server of libp2p, on the memory transport.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod common;

use libp2p_autonat::v2::server;
use libp2p_core::Multiaddr;
use libp2p_core::upgrade::Version;
use libp2p_identity::Keypair;
use libp2p_swarm::{Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::reachability::guard::{Allowed, Guard};
use peer_behaviours::reachability::probe::{self, Event, Verdict};

use common::{PATIENCE, custom, listen};

type Server = Swarm<Guard<server::Behaviour>>;

/// What everything of ours runs with: the dialer does not wait for the protocol to be confirmed.
const LAZY: Version = Version::V1Lazy;

fn server(allowed: Allowed) -> Server {
    let guard = Guard::new(server::Behaviour::default(), allowed, 4);
    custom(&Keypair::generate_ed25519(), LAZY, guard)
}

/// A client that has dialled `server`, and an address of its own.
async fn client(server: &mut Server) -> (Swarm<probe::Behaviour>, Multiaddr) {
    let at_server = listen(server).await;
    let mut client = custom(&Keypair::generate_ed25519(), LAZY, probe::Behaviour::new());
    let own = listen(&mut client).await;
    client.dial(at_server).unwrap();
    let id = *server.local_peer_id();
    let connecting = async {
        while !client.behaviour().can_ask(&id) {
            tokio::select! {
                _ = client.next_swarm_event() => {}
                _ = server.next_swarm_event() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, connecting).await.unwrap();
    (client, own)
}

/// Lets the server test an address; returns the verdict, and how many connections the server made.
async fn test(
    client: &mut Swarm<probe::Behaviour>,
    server: &mut Server,
    address: &Multiaddr,
) -> (Verdict, usize) {
    let id = *server.local_peer_id();
    assert!(client.behaviour_mut().test(id, address.clone()));
    assert!(!client.behaviour_mut().test(id, address.clone()), "it is being tested");
    let mut made = 0;
    let testing = async {
        loop {
            tokio::select! {
                event = client.next_swarm_event() => {
                    if let SwarmEvent::Behaviour(Event { address: tested, server, verdict }) = event {
                        assert_eq!((&tested, server), (address, id));
                        return verdict;
                    }
                }
                event = server.next_swarm_event() => {
                    if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                        made += usize::from(server.behaviour().made(&connection_id));
                    }
                }
            }
        }
    };
    let verdict = tokio::time::timeout(PATIENCE, testing).await.unwrap();
    (verdict, made)
}

#[tokio::test]
async fn an_address_is_tested_as_often_as_one_likes() {
    let mut server = server(|_| true);
    let (mut client, own) = client(&mut server).await;
    for _ in 0..3 {
        assert_eq!(test(&mut client, &mut server, &own).await, (Verdict::Reachable, 1));
    }
    let nobody: Multiaddr = "/memory/1".parse().unwrap();
    assert_eq!(test(&mut client, &mut server, &nobody).await, (Verdict::Unreachable, 0));
    assert_eq!(test(&mut client, &mut server, &own).await.0, Verdict::Reachable);
}

#[tokio::test]
async fn a_server_does_not_dial_what_it_may_not() {
    let mut server = server(|addresses| addresses.is_empty());
    let (mut client, own) = client(&mut server).await;
    assert_eq!(test(&mut client, &mut server, &own).await, (Verdict::Unreachable, 0));
    assert_eq!(test(&mut client, &mut server, &own).await, (Verdict::Unreachable, 0));
}

/// What one address says of another proves nothing.
#[tokio::test]
async fn an_address_where_another_node_listens_is_not_this_ones() {
    let mut server = server(|_| true);
    let (mut client, _) = client(&mut server).await;
    let mut other = custom(&Keypair::generate_ed25519(), LAZY, probe::Behaviour::new());
    let elsewhere = listen(&mut other).await;
    tokio::spawn(async move {
        loop {
            other.next_swarm_event().await;
        }
    });
    assert_eq!(test(&mut client, &mut server, &elsewhere).await, (Verdict::Unreachable, 0));
}

#[tokio::test]
async fn a_server_that_leaves_decides_nothing() {
    let mut server = server(|_| true);
    let (mut client, own) = client(&mut server).await;
    let id = *server.local_peer_id();
    assert!(client.behaviour_mut().test(id, own));
    drop(server);
    let waiting = async {
        loop {
            if let SwarmEvent::Behaviour(event) = client.next_swarm_event().await {
                return event.verdict;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap(), Verdict::Undecided);
    assert!(!client.behaviour().can_ask(&id));
}
