//! Modes, withdrawals, refreshing, and what is kept over a restart.

use std::time::Duration;

use libp2p_core::PeerId;
use peer_behaviours::registry::{Behaviour, Config, Mode, PublishError, Space, StoredEntry};
use peer_protocol::limits::RECORD_REFRESH;
use peer_protocol::registry::{Key, Resolution};

use crate::entities::Entity;
use crate::net::{Net, Node, found, settle};

#[tokio::test]
async fn clients_ask_and_publish_and_are_not_asked() {
    let net = Net::new();
    let mut nodes = net.servers(5, 0).await;
    let mut client = net.node(Entity::new("client", 100), Mode::Client, |_| {}).await;
    client.join(&nodes[0]).await;
    settle(&nodes).await;
    let now = net.clock.timestamp();
    assert_eq!(client.publish(&["translate"], now).await, (7, 7, 4));
    let key = Key::of_entity(client.entity.identity.entity());
    found(nodes[4].resolve(key).await);
    nodes[1].publish(&[], now).await;
    let key = Key::of_entity(nodes[1].entity.identity.entity());
    found(client.resolve(key).await);
    let peer = client.entity.peer();
    for node in &nodes {
        let neighbours = node.call(Behaviour::neighbours).await;
        assert!(neighbours.iter().all(|(known, _)| *known != peer));
    }
    let table = client.call(Behaviour::table).await;
    assert_eq!((table.mode, table.foreign_records, table.providers), (Mode::Client, 0, 4));
    assert_eq!(table.own_records, 7);
    let author = Entity::new("author", 101);
    let (key, record) = (Key::of_entity(author.identity.entity()), author.record(&[], now));
    let put = crate::hostile::put(&author.keypair, &client, key.as_bytes(), record.clone());
    assert!(!put.await);
    // It becomes a server.
    client.call(|registry| registry.set_mode(Mode::Server)).await;
    assert!(crate::hostile::put(&author.keypair, &client, key.as_bytes(), record.clone()).await);
    client.call(|registry| registry.set_mode(Mode::Client)).await;
    assert!(!crate::hostile::put(&author.keypair, &client, key.as_bytes(), record).await);
}

#[tokio::test]
async fn who_withdraws_is_not_found_and_old_records_do_not_come_back() {
    let net = Net::new();
    let mut nodes = net.servers(5, 0).await;
    let key = Key::of_entity(nodes[1].entity.identity.entity());
    let then = net.clock.timestamp();
    nodes[1].publish(&["translate"], then).await;
    assert_eq!(nodes[4].search("translate", 9).await.0, ["node-1"]);
    net.clock.advance(Duration::from_secs(1));
    let now = net.clock.timestamp();
    let withdrawal = nodes[1].entity.withdrawal(&["translate"], now);
    let id = nodes[1].call(move |registry| registry.publish(withdrawal)).await.unwrap();
    assert_eq!(nodes[1].published(id).await, (7, 7, 0));
    assert_eq!(nodes[4].resolve(key).await, Ok(Resolution::Withdrawn { since: now }));
    // Others keep the entry that it can translate for a day, but it leads nowhere.
    let (names, searched) = nodes[4].search("translate", 9).await;
    assert_eq!((names, searched.rejected), (Vec::new(), 1));
    assert_eq!(nodes[1].call(Behaviour::table).await.own_records, 7);
    let old = nodes[1].entity.record(&["translate"], then);
    assert!(
        !crate::hostile::put(&Entity::new("x", 99).keypair, &nodes[2], key.as_bytes(), old).await
    );
}

#[tokio::test]
async fn only_the_own_record_is_published_and_only_a_newer_one() {
    let net = Net::new();
    let mut nodes = net.servers(2, 0).await;
    let now = net.clock.timestamp();
    let foreign = nodes[1].entity.record(&[], now);
    let refused = nodes[0].call(move |registry| registry.publish(foreign)).await;
    assert_eq!(refused, Err(PublishError::Foreign));
    nodes[0].publish(&["a", "b"], now).await;
    let older = nodes[0].entity.record(&["a"], now - Duration::from_secs(1));
    let refused = nodes[0].call(move |registry| registry.publish(older)).await;
    assert!(matches!(refused, Err(PublishError::Refused(_))), "{refused:?}");
    assert_eq!(nodes[0].call(Behaviour::table).await.own_records, 8);
    // What the newer one does not say any more is not refreshed any more.
    nodes[0].publish(&["a"], now + Duration::from_secs(1)).await;
    let table = nodes[0].call(Behaviour::table).await;
    assert_eq!((table.own_records, table.providers), (7, 4));
}

#[tokio::test]
async fn alone_nobody_takes_it() {
    let net = Net::new();
    let mut node = net.server(Entity::new("alone", 0)).await;
    assert_eq!(node.publish(&["a"], net.clock.timestamp()).await, (7, 0, 4));
    assert!(!node.call(Behaviour::bootstrap).await);
    // Its own store is asked too.
    found(node.resolve(Key::of_entity(&"alone".parse().unwrap())).await);
}

#[tokio::test]
async fn records_reach_nodes_that_come_later_within_the_hour() {
    let net = Net::new();
    let mut nodes = net.servers(3, 0).await;
    nodes[0].publish(&["translate"], net.clock.timestamp()).await;
    let late = net.server(Entity::new("late", 50)).await;
    late.join(&nodes[1]).await;
    nodes.push(late);
    settle(&nodes).await;
    assert_eq!(nodes[3].call(Behaviour::table).await.foreign_records, 0);
    net.clock.advance(RECORD_REFRESH);
    nodes[0].call(Behaviour::bootstrap).await;
    until(&nodes[3], |table| table.foreign_records == 7 && table.providers == 4).await;
}

async fn until(node: &Node, done: impl Fn(&peer_behaviours::registry::TableStatus) -> bool) {
    for _ in 0..500 {
        if done(&node.call(Behaviour::table).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", node.call(Behaviour::table).await);
}

#[tokio::test]
async fn stores_survive_a_restart_and_are_checked_again() {
    let net = Net::new();
    let mut nodes = net.servers(4, 0).await;
    let now = net.clock.timestamp();
    nodes[0].publish(&["translate"], now).await;
    nodes[1].publish(&["translate", "dance"], now).await;
    let changes = nodes[1].call(Behaviour::take_changes).await;
    assert!(nodes[1].call(Behaviour::take_changes).await.is_empty());
    let entries: Vec<_> = changes.iter().flat_map(|change| change.entries.clone()).collect();
    assert!(changes.iter().all(|change| {
        change.entries.iter().all(|entry| (entry.space, entry.key) == (change.space, change.key))
    }));
    let before = nodes[1].call(Behaviour::table).await;
    assert_eq!(entries.len(), before.own_records + before.foreign_records + before.providers);

    let owner = Entity::new("node-1", 1);
    let config = || Config::new(std::sync::Arc::new(net.clock.clone()), [9; 32]);
    let mut again = Behaviour::new(owner.peer(), config());
    assert_eq!(again.restore(entries.clone()), entries.len());
    let after = again.table();
    assert_eq!(
        (after.own_records, after.foreign_records, after.providers),
        (before.own_records, before.foreign_records, before.providers)
    );
    let mut told: Vec<StoredEntry> =
        again.take_changes().into_iter().flat_map(|change| change.entries).collect();
    told.sort_by_key(|entry| (entry.space, entry.key, entry.source));
    let mut entries = entries;
    entries.sort_by_key(|entry| (entry.space, entry.key, entry.source));
    assert_eq!(told, entries);

    // Somebody else's disk: nothing of another is this node's own, and nothing forged comes back.
    let mut other = Behaviour::new(Entity::new("other", 77).peer(), config());
    let own = |entry: &&StoredEntry| entry.source.is_none();
    assert_eq!(other.restore(entries.iter().filter(own).cloned()), 0);
    let spoil = |entry: &StoredEntry| {
        let mut value = entry.value.to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        StoredEntry { value: value.into(), ..entry.clone() }
    };
    let records = entries.iter().filter(|entry| entry.space == Space::Records);
    assert_eq!(other.restore(records.map(spoil)), 0);
    let stolen = entries.iter().filter(|entry| entry.space == Space::Providers);
    let thief =
        |entry: &StoredEntry| StoredEntry { source: Some(PeerId::random()), ..entry.clone() };
    assert_eq!(other.restore(stolen.map(thief)), 0);

    // What has expired is told as gone.
    net.clock.advance(Duration::from_secs(86_401));
    let mut late = Behaviour::new(owner.peer(), config());
    assert_eq!(late.restore(entries), 0);
}

#[tokio::test]
async fn expired_entries_are_told_as_gone() {
    let net = Net::new();
    let mut nodes = net.servers(2, 0).await;
    nodes[0].publish(&["translate"], net.clock.timestamp()).await;
    assert_eq!(nodes[1].call(Behaviour::take_changes).await.len(), 11);
    net.clock.advance(Duration::from_secs(86_401));
    nodes[1].call(Behaviour::bootstrap).await;
    until(&nodes[1], |table| table.foreign_records == 0 && table.providers == 0).await;
    let changes = nodes[1].call(Behaviour::take_changes).await;
    assert_eq!(changes.len(), 11);
    assert!(changes.iter().all(|change| change.entries.is_empty()));
}

#[tokio::test]
async fn a_search_that_takes_too_long_ends_with_what_it_has() {
    let net = Net::new();
    let nodes = net.servers(2, 0).await;
    // A node that is not there: dialling it takes as long as the test likes.
    let mut seeker = net.node(Entity::new("seeker", 9), Mode::Client, |_| {}).await;
    seeker.join(&nodes[0]).await;
    drop(nodes);
    let clock = net.clock.clone();
    let id = seeker
        .call(move |registry| {
            let id = registry.search("translate".parse().unwrap(), 5).unwrap();
            clock.advance(Duration::from_secs(61));
            id
        })
        .await;
    assert_eq!(seeker.searched(id).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn full_queues_refuse() {
    let net = Net::new();
    let mut node = net.server(Entity::new("alone", 0)).await;
    let key = Key::of_entity(&"x".parse().unwrap());
    let (taken, searches) = node
        .call(move |registry| {
            let taken: Vec<_> = (0..300).map(|_| registry.lookup(key)).collect();
            let search = |_| registry.search("x".parse().unwrap(), 1);
            let searches = (0..40).map(search).filter(Result::is_ok).count();
            (taken, searches)
        })
        .await;
    assert_eq!(taken.iter().filter(|id| id.is_ok()).count(), 256);
    assert_eq!(searches, 32);
    let (first, last) = (taken[0].unwrap(), taken[255].unwrap());
    node.call(move |registry| registry.cancel_lookup(first)).await;
    node.looked_up(last).await;
}

/// A clock that was hours ahead when the node began is put right: what it had said then does not stand
/// in the way of what it says now.
#[tokio::test]
async fn a_clock_that_is_put_right_does_not_keep_a_node_from_publishing() {
    let net = Net::new();
    let mut nodes = net.servers(2, 0).await;
    net.clock.advance(Duration::from_secs(7_200));
    nodes[0].publish(&["a"], net.clock.timestamp()).await;
    net.clock.set_back(Duration::from_secs(7_200));
    let now = net.clock.timestamp();
    let record = nodes[0].entity.record(&["a"], now);
    let id = nodes[0].call(move |registry| registry.publish(record)).await.unwrap();
    nodes[0].published(id).await;
    let key = Key::of_entity(nodes[0].entity.identity.entity());
    assert_eq!(found(nodes[0].resolve(key).await).record().last_seen, now);
}
