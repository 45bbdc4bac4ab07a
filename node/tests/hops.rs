//! Nodes that reach each other only over other nodes, on real sockets.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::time::Duration;

use peer_node::config::{DhtMode, NodeConfig};
use peer_node::model::{Content, Path, PathKind};
use peer_node::{Handle, Node, NodeError, NodeEvent};

const LIMIT: Duration = Duration::from_secs(20);

fn config(to: &[&str]) -> NodeConfig {
    NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_bootstrap(to.iter().map(|address| address.parse().unwrap()).collect())
        .with_dht(DhtMode::Server)
        .with_mdns(false)
        .with_upnp(false)
}

/// A node that nobody can dial.
fn unreachable(to: &[&str]) -> NodeConfig {
    config(to).with_listen(Vec::new()).with_dht(DhtMode::Client)
}

async fn start(name: &str, config: NodeConfig) -> Node {
    let bootstrap = config.bootstrap().len();
    let node = Node::builder().config(config).entity(name).unwrap().start().await.unwrap();
    let handle = node.handle();
    let settled = async {
        let ready = async || {
            let status = handle.status().await.unwrap();
            let registered = handle.dht().await.unwrap().registration;
            status.sessions >= bootstrap
                && (bootstrap == 0 || registered.is_some_and(|it| it.stored > 0))
        };
        while !ready().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, settled).await.unwrap();
    node
}

async fn address(node: &Node) -> String {
    node.handle().status().await.unwrap().listen[0].clone()
}

/// Answers every task with its text in capitals.
async fn answer(node: Handle) {
    let mut messages = node.subscribe(None).await.unwrap();
    while let Some(message) = messages.recv().await {
        let text = message.content.text.unwrap_or_default().to_uppercase();
        node.answer(&message.message_id, Content::from_bytes(text.as_bytes()), true).await.unwrap();
    }
}

async fn ask(from: &Node, to: &str, what: &str) -> Result<String, NodeError> {
    let content = Content::from_bytes(what.as_bytes());
    let answer = from.handle().talk(to, content, None, LIMIT).await?;
    Ok(answer.content.text.unwrap_or_default())
}

async fn path(from: &Node, to: &str) -> Option<Path> {
    from.handle().alive(to, LIMIT).await.unwrap().path
}

#[tokio::test]
async fn two_that_nobody_can_dial_talk_over_a_third() {
    let hub = start("hub", config(&[])).await;
    let to = address(&hub).await;
    let alice = start("alice", unreachable(&[&to])).await;
    let bob = start("bob", unreachable(&[&to])).await;
    tokio::spawn(answer(bob.handle()));
    let mut events = alice.handle().events();
    assert_eq!(ask(&alice, "bob", "hello").await.unwrap(), "HELLO");
    let over = Path { kind: PathKind::Hops, address: None, carriers: Some(1) };
    assert_eq!(path(&alice, "bob").await, Some(over));
    let bobs = bob.handle().status().await.unwrap().peer_id;
    let route = NodeEvent::Route { peer_id: bobs, hops: 2 };
    while events.next().await.unwrap() != route {}
    // The session is theirs, from end to end.
    let peers = alice.handle().peers().await.unwrap();
    let peer =
        peers.iter().find(|peer| peer.entity.as_ref().is_some_and(|it| it.as_str() == "bob"));
    let peer = peer.unwrap();
    assert!(peer.encrypted && !peer.connected);
    assert_eq!(peer.session.as_ref().unwrap().state, "READY");
}

/// The carrier that is in use dies; what is asked next goes over the other.
#[tokio::test]
async fn another_carrier_takes_over() {
    let first = start("first", config(&[])).await;
    let second = start("second", config(&[&address(&first).await])).await;
    let (one, two) = (address(&first).await, address(&second).await);
    let alice = start("alice", unreachable(&[&one, &two])).await;
    let bob = start("bob", unreachable(&[&one, &two])).await;
    tokio::spawn(answer(bob.handle()));
    assert_eq!(ask(&alice, "bob", "one").await.unwrap(), "ONE");
    first.handle().shutdown().await;
    first.stopped().await;
    let begun = std::time::Instant::now();
    assert_eq!(ask(&alice, "bob", "two").await.unwrap(), "TWO");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_carries_nothing_says_so_and_nothing_is_lost() {
    let hub = start("hub", config(&[]).with_carry(false)).await;
    let to = address(&hub).await;
    let alice = start("alice", unreachable(&[&to])).await;
    let bob = start("bob", unreachable(&[&to])).await;
    tokio::spawn(answer(bob.handle()));
    let life = alice.handle().alive("bob", LIMIT).await.unwrap();
    assert!(!life.alive);
    assert!(life.error.as_ref().unwrap().contains("over hops"), "{life:?}");
    // A way opens while the question waits.
    let asked = ask(&alice, "bob", "still there?");
    let opened = async {
        let carrier = start("carrier", config(&[&to])).await;
        let way = address(&carrier).await;
        for node in [&alice, &bob] {
            node.handle().connect(way.parse().unwrap()).await.unwrap();
        }
        carrier
    };
    let (answer, _carrier) = tokio::join!(asked, opened);
    assert_eq!(answer.unwrap(), "STILL THERE?");
}
