//! Nodes that reach each other by WebSocket, in private networks, over relays. Everything is on
//! loopback.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use peer_node::config::{DhtMode, NodeConfig, PrivateNetwork};
use peer_node::model::reachability::{Reachable, Report};
use peer_node::model::{Content, PeerStatus};
use peer_node::{Handle, Node, NodeError, StartError, Store};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(listen: &[&str]) -> NodeConfig {
    NodeConfig::default()
        .with_listen(listen.iter().map(|address| address.parse().unwrap()).collect())
        .with_mdns(false)
        .with_upnp(false)
}

async fn start(entity: &str, config: NodeConfig) -> Node {
    Node::builder().config(config).entity(entity).unwrap().start().await.unwrap()
}

async fn address(node: &Node) -> Multiaddr {
    node.handle().status().await.unwrap().listen[0].parse().unwrap()
}

/// Sends a question each way and looks at the answer.
async fn talk(from: &Handle, to: &Handle, name: &str) {
    let mut messages = to.subscribe(Some(1)).await.unwrap();
    let answering = async {
        let question = messages.recv().await.unwrap();
        let answer = question.content.text.unwrap().to_uppercase();
        let answer = Content::from_bytes(answer.as_bytes());
        to.answer(&question.message_id, answer, true).await.unwrap();
    };
    let asking = from.talk(name, Content::from_bytes(b"hello"), None, PATIENCE);
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().content.text.as_deref(), Some("HELLO"));
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("never: {what}"))
}

async fn peer(of: &Handle, entity: &str) -> Option<PeerStatus> {
    let peers = of.peers().await.unwrap();
    peers.into_iter().find(|peer| peer.entity.as_ref().is_some_and(|it| it.as_str() == entity))
}

/// Two nodes with these settings, of which one connects to the other and talks both ways.
async fn exchange(listen: &str, configure: impl Fn(NodeConfig) -> NodeConfig) -> PeerStatus {
    let (a, b) = (
        start("a", configure(config(&[listen]))).await,
        start("b", configure(config(&[listen]))).await,
    );
    let connected = a.handle().connect(address(&b).await).await.unwrap();
    talk(&a.handle(), &b.handle(), "b").await;
    talk(&b.handle(), &a.handle(), "a").await;
    for node in [a, b] {
        node.handle().shutdown().await;
        node.stopped().await;
    }
    connected
}

#[tokio::test]
async fn every_transport_carries_a_conversation() {
    for listen in [
        TCP,
        QUIC,
        "/ip4/127.0.0.1/tcp/0/ws",
        "/ip6/::1/tcp/0",
        "/ip6/::1/udp/0/quic-v1",
        "/ip6/::1/tcp/0/ws",
    ] {
        let connected = exchange(listen, |config| config).await;
        let last = listen.rsplit('/').next().unwrap();
        let address = connected.address.unwrap();
        assert!(last == "0" || address.contains(last), "{listen}: {address}");
    }
}

#[tokio::test]
async fn a_private_network_connects_its_members() {
    let key = PrivateNetwork::new([7; 32]);
    for listen in [TCP, "/ip4/127.0.0.1/tcp/0/ws"] {
        exchange(listen, |config| config.with_private_network(key)).await;
    }
}

#[tokio::test]
async fn a_private_network_keeps_everybody_else_out() {
    let member = config(&[TCP]).with_private_network(PrivateNetwork::new([7; 32]));
    let member = start("member", member).await;
    let address = address(&member).await;
    for (name, stranger) in [
        ("other_network", config(&[TCP]).with_private_network(PrivateNetwork::new([8; 32]))),
        ("no_network", config(&[TCP])),
    ] {
        let stranger = start(name, stranger).await;
        let refused = stranger.handle().connect(address.clone()).await;
        assert!(matches!(refused, Err(NodeError::Unreachable { .. })), "{name}: {refused:?}");
        assert_eq!(member.handle().status().await.unwrap().connected, 0, "{name}");
    }
}

#[tokio::test]
async fn a_private_network_has_no_quic() {
    let network = PrivateNetwork::new([7; 32]);
    let refused =
        Node::builder().config(config(&[QUIC]).with_private_network(network)).start().await;
    let Err(StartError::Config(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("bypass"), "{reason}");
    // Nor is it dialled.
    let open = start("open", config(&[QUIC])).await;
    let member = start("member", config(&[TCP]).with_private_network(network)).await;
    let refused = member.handle().connect(address(&open).await).await;
    assert!(matches!(refused, Err(NodeError::Unreachable { .. })), "{refused:?}");
}

/// A relay on loopback.
async fn relay(listen: &str) -> (Node, Multiaddr) {
    let relay = start("relay", config(&[listen]).with_relay_server(true)).await;
    let address = address(&relay).await;
    (relay, address)
}

async fn report(node: &Node) -> Report {
    node.handle().netcheck().await.unwrap().reachability
}

/// Waits until the node has a reservation; returns where it is reached over it.
async fn reserved(node: &Node) -> Multiaddr {
    until("a reservation", async || {
        let relay = report(node).await.relays.into_iter().find(|relay| relay.reserved)?;
        let address: Multiaddr = relay.address.parse().unwrap();
        let own = node.handle().status().await.unwrap().peer_id.parse().unwrap();
        Some(address.with(Protocol::P2p(own)))
    })
    .await
}

/// Neither listens anywhere: only the relay connects them, and no hole can be punched.
#[tokio::test]
async fn two_nodes_that_nobody_can_connect_to_talk_over_a_relay() {
    let (_relay, address) = relay(TCP).await;
    let hidden = |name| start(name, config(&[]).with_bootstrap(vec![address.clone()]));
    let (a, b) = (hidden("a").await, hidden("b").await);
    let circuit = reserved(&b).await;
    let announced = report(&b).await.announced;
    assert_eq!(announced.len(), 1, "{announced:?}");
    assert!(announced[0].ends_with("/p2p-circuit"), "{announced:?}");
    let connected = a.handle().connect(circuit).await.unwrap();
    assert!(connected.address.unwrap().contains("/p2p-circuit/"));
    talk(&a.handle(), &b.handle(), "b").await;
    talk(&b.handle(), &a.handle(), "a").await;
}

/// Both listen, so that the hole is there at once: the relay only introduces them.
#[tokio::test]
async fn a_connection_over_a_relay_becomes_a_direct_one() {
    for listen in [TCP, QUIC] {
        let (relay, address) = relay(listen).await;
        let node = |name| start(name, config(&[listen]).with_bootstrap(vec![address.clone()]));
        let (a, b) = (node("a").await, node("b").await);
        let circuit = reserved(&b).await;
        a.handle().connect(circuit).await.unwrap();
        let session = peer(&a.handle(), "b").await.unwrap().session.unwrap().id;
        let direct = |peer: &PeerStatus| !peer.address.as_ref().unwrap().contains("p2p-circuit");
        for (node, other) in [(&a, "b"), (&b, "a")] {
            until("a direct connection", async || {
                peer(&node.handle(), other).await.filter(|it| direct(it)).map(drop)
            })
            .await;
        }
        // Without the relay, nothing changes any more.
        relay.handle().shutdown().await;
        relay.stopped().await;
        talk(&a.handle(), &b.handle(), "b").await;
        talk(&b.handle(), &a.handle(), "a").await;
        let after = peer(&a.handle(), "b").await.unwrap().session.unwrap().id;
        assert_eq!(session, after, "the session has moved over");
    }
}

/// libp2p would count the relay's address as the node's own and let it serve the hash table.
#[tokio::test]
async fn a_reservation_does_not_make_a_node_public() {
    let (relay, address) = relay(TCP).await;
    let hidden = start("hidden", config(&[]).with_bootstrap(vec![address])).await;
    reserved(&hidden).await;
    let found = report(&hidden).await;
    assert_eq!((found.status, found.addresses.len()), (Reachable::Local, 0));
    // Here everybody is on one machine, so that all serve who can be asked; told otherwise, none does.
    assert_eq!((found.dht.as_str(), report(&relay).await.dht.as_str()), ("client", "server"));
    let client = start("client", config(&[]).with_dht(DhtMode::Client)).await;
    assert_eq!(report(&client).await.dht, "client");
}

#[tokio::test]
async fn a_lost_relay_is_replaced() {
    let (first, at_first) = relay(TCP).await;
    let (_second, at_second) = relay(TCP).await;
    let (_third, at_third) = relay(TCP).await;
    let bootstrap = vec![at_first, at_second, at_third];
    let hidden = start("hidden", config(&[]).with_bootstrap(bootstrap)).await;
    let used = async || {
        let relays = report(&hidden).await.relays.into_iter().filter(|relay| relay.reserved);
        let relays: Vec<String> = relays.map(|relay| relay.peer_id).collect();
        (relays.len() == 2).then_some(relays)
    };
    let before = until("two reservations", used).await;
    let gone = first.handle().status().await.unwrap().peer_id;
    first.handle().shutdown().await;
    first.stopped().await;
    let after = until("two reservations elsewhere", async || {
        used().await.filter(|relays| !relays.contains(&gone))
    })
    .await;
    assert!(before.iter().filter(|relay| **relay != gone).all(|relay| after.contains(relay)));
}

#[tokio::test]
async fn the_operators_addresses_are_announced_first() {
    let external: Multiaddr = "/dns/example.org/tcp/4711".parse().unwrap();
    let node = start("public", config(&[TCP]).with_external(vec![external.clone()])).await;
    let found = until("the address", async || {
        let found = report(&node).await;
        (found.status == Reachable::Public).then_some(found)
    })
    .await;
    assert_eq!(found.announced, [external.to_string()]);
    assert_eq!(found.dht, "server");
    assert_eq!((found.upnp.as_str(), found.mdns), ("off", false));
}

/// Addresses where somebody accepts connections and then says nothing must not take every place for
/// dials.
#[tokio::test]
async fn dials_that_nobody_waits_for_are_few_at_once() {
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let at = |listener: &tokio::net::TcpListener| -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port()).parse().unwrap()
    };
    let bootstrap = silent.iter().map(at).collect();
    let node = start("busy", config(&[TCP]).with_bootstrap(bootstrap)).await;
    let (told, mut dialled) = tokio::sync::mpsc::unbounded_channel();
    for listener in silent {
        let told = told.clone();
        tokio::spawn(async move {
            // Kept open: the dialler waits for a handshake.
            while let Ok(connection) = listener.accept().await {
                told.send(connection).unwrap();
            }
        });
    }
    let mut held = Vec::new();
    let collecting = async {
        while let Some(connection) = dialled.recv().await {
            held.push(connection);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), collecting).await;
    assert_eq!(held.len(), 16);
    // Whoever asks for a connection does not queue behind them.
    let other = start("other", config(&[TCP])).await;
    node.handle().connect(address(&other).await).await.unwrap();
}

/// With too few peers, those of an earlier run are dialled.
#[tokio::test]
async fn peers_of_before_are_dialled_when_too_few_are_there() {
    let good = start("good", config(&[TCP])).await;
    let dir = tempfile::tempdir().unwrap();
    let run = async || {
        // The file is closed a moment after a node has stopped.
        let store = until("the store", async || Store::open(&dir.path().join("store")).ok()).await;
        let builder = Node::builder().config(config(&[TCP])).entity("node").unwrap();
        builder.store(store).start().await.unwrap()
    };
    let first = run().await;
    first.handle().connect(address(&good).await).await.unwrap();
    first.handle().shutdown().await;
    first.stopped().await;
    let second = run().await;
    until("the peer of before", async || {
        second.handle().peers().await.unwrap().into_iter().find(|peer| peer.connected)
    })
    .await;
}
