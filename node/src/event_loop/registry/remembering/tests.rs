//! Nodes and their stores.

use std::time::Duration;

use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::registry::Capability;

use crate::config::{DhtMode, NodeConfig};
use crate::model::PeerStatus;
use crate::node::Node;
use crate::store::disk::{Disk, Mood};
use crate::store::{Change, Entry, Store};

/// A node that listens nowhere.
async fn start(store: Store, dht: DhtMode) -> Node {
    let config = NodeConfig::default().with_listen(Vec::new()).with_dht(dht);
    start_as(1, store, config).await
}

async fn start_as(seed: u8, store: Store, config: NodeConfig) -> Node {
    let config = config.with_mdns(false).with_upnp(false);
    let key = Ed25519Authenticator::from_seed(&[seed; 32]);
    Node::builder().config(config).key(key).store(store).start().await.unwrap()
}

async fn stop(node: Node) {
    node.handle().shutdown().await;
    node.stopped().await;
}

fn name() -> Capability {
    "translate".parse().unwrap()
}

async fn register(node: &Node) {
    node.handle().register(vec![name()], Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_hanging_disk_keeps_no_node_from_stopping() {
    let disk = Disk::new();
    let node = start(disk.store(), DhtMode::Server).await;
    disk.set(Mood::Hangs);
    register(&node).await;
    tokio::time::timeout(Duration::from_secs(20), stop(node)).await.unwrap();
    disk.set(Mood::Works);
}

#[tokio::test]
async fn a_node_that_stops_has_written_everything_even_if_the_disk_failed_before() {
    let disk = Disk::new();
    let node = start(disk.store(), DhtMode::Server).await;
    disk.set(Mood::Fails);
    register(&node).await;
    while node.handle().netcheck().await.unwrap().store.is_none() {
        tokio::task::yield_now().await;
    }
    disk.set(Mood::Works);
    stop(node).await;
    let loaded = disk.store().load().unwrap();
    assert_eq!(loaded.capabilities, ["translate"]);
    assert!(loaded.last_seen.is_some());
    assert!(!loaded.records.is_empty(), "its own record");
}

/// Entries that the registry refuses.
fn expired(n: u8) -> Vec<Entry> {
    vec![Entry { source: None, value: vec![n; 300].into(), expires: 1 }]
}

fn keys(rows: &[([u8; 32], Vec<Entry>)]) -> Vec<[u8; 32]> {
    rows.iter().map(|(key, _)| *key).collect()
}

#[tokio::test]
async fn rows_that_yield_nothing_are_deleted() {
    let disk = Disk::new();
    let mut node = start(disk.store(), DhtMode::Server).await;
    register(&node).await;
    stop(node).await;
    let good = disk.store().load().unwrap();
    assert!(!good.records.is_empty());
    let expired = (0..200).flat_map(|n| {
        [Change::Records([n; 32], expired(n)), Change::Providers([n; 32], expired(n))]
    });
    disk.write(expired);
    node = start(disk.store(), DhtMode::Server).await;
    stop(node).await;
    let loaded = disk.store().load().unwrap();
    assert_eq!(keys(&loaded.records), keys(&good.records));
    assert_eq!(keys(&loaded.providers), keys(&good.providers));

    // Without a registry nothing sweeps them.
    node = start(disk.store(), DhtMode::Off).await;
    stop(node).await;
    let loaded = disk.store().load().unwrap();
    assert_eq!((keys(&loaded.records), keys(&loaded.providers)), (vec![], vec![]));
    assert_eq!(loaded.capabilities, good.capabilities);
}

/// Who only came in says where it listens, which is nothing to dial at the next start.
#[tokio::test]
async fn a_peer_is_remembered_where_it_was_dialled_and_not_where_it_says_it_is() {
    let (disks, mut nodes) = ([Disk::new(), Disk::new()], Vec::new());
    for (seed, disk) in (1..).zip(&disks) {
        let config = NodeConfig::default()
            .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
            .with_dht(DhtMode::Off);
        nodes.push(start_as(seed, disk.store(), config).await);
    }
    let address = nodes[1].handle().status().await.unwrap().listen[0].clone();
    nodes[0].handle().connect(address.parse().unwrap()).await.unwrap();
    let ready = |peer: &PeerStatus| peer.session.as_ref().is_some_and(|it| !it.id.is_empty());
    // Where they listen they have told each other before the session was ready.
    while !nodes[1].handle().peers().await.unwrap().iter().any(ready) {
        tokio::task::yield_now().await;
    }
    for node in nodes {
        stop(node).await;
    }
    let addresses = disks.map(|disk| -> Vec<String> {
        let peers = disk.store().load().unwrap().peers;
        peers.into_iter().flat_map(|it| it.addresses).collect()
    });
    assert_eq!(addresses, [vec![address], vec![]]);
}
