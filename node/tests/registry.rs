//! Nodes that find each other through the registry, on real sockets.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

use std::time::Duration;

use peer_node::config::{DhtMode, NodeConfig};
use peer_node::model::{Content, Found, Source};
use peer_node::trust_file::TrustFile;
use peer_node::{Handle, Node, NodeError, Store};
use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{Fingerprint, TrustPolicy};
use peer_protocol::registry::Capability;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(10);

fn config() -> NodeConfig {
    NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_dht(DhtMode::Server)
        .with_mdns(false)
        .with_upnp(false)
}

fn key(seed: u8) -> Ed25519Authenticator {
    Ed25519Authenticator::from_seed(&[seed; 32])
}

fn names(list: &[&str]) -> Vec<Capability> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

async fn start(name: &str, seed: u8, config: NodeConfig) -> Node {
    let builder = Node::builder().config(config).entity(name).unwrap();
    builder.key(key(seed)).start().await.unwrap()
}

async fn address(node: &Node) -> String {
    node.handle().status().await.unwrap().listen[0].clone()
}

async fn bootstrapped(name: &str, seed: u8, to: &Node, capabilities: &[&str]) -> Node {
    let config = config()
        .with_bootstrap(vec![address(to).await.parse().unwrap()])
        .with_capabilities(names(capabilities))
        .unwrap();
    let node = start(name, seed, config).await;
    registered(&node.handle()).await;
    node
}

/// Waits until another node keeps what this one says of itself.
async fn registered(node: &Handle) {
    let registered = async {
        while node.dht().await.unwrap().registration.is_none_or(|last| last.stored < last.keys) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, registered).await.unwrap();
}

async fn lookup(node: &Node, name: &str) -> Result<Found, NodeError> {
    node.handle().lookup(name, true, LIMIT).await
}

/// Answers every task with its text in capitals.
async fn answer(node: Handle) {
    let mut messages = node.subscribe(None).await.unwrap();
    while let Some(message) = messages.recv().await {
        let text = message.content.text.unwrap_or_default().to_uppercase();
        node.answer(&message.message_id, Content::from_bytes(text.as_bytes()), true).await.unwrap();
    }
}

async fn ask(from: &Node, to: &str) -> Result<String, NodeError> {
    let answer = from.handle().talk(to, Content::from_bytes(b"hello"), None, LIMIT).await?;
    Ok(answer.content.text.unwrap_or_default())
}

#[tokio::test]
async fn an_entity_is_found_by_every_name_it_has_and_talked_to() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    for (seed, name) in [(3, "bob"), (4, "carol"), (5, "dave")] {
        let node = bootstrapped(name, seed, &hub, &["ocr"]).await;
        let status = node.handle().status().await.unwrap();
        tokio::spawn(answer(node.handle()));
        let found = lookup(&alice, name).await.unwrap();
        assert_eq!(found.listing.fingerprint, status.fingerprint);
        assert_eq!(found.listing.capabilities, ["ocr"]);
        assert_eq!(found.listing.source, Source::Registry);
        assert!(found.asked > 0 && found.rivals.is_empty());
        // Each by another name, none of which alice has met.
        let called = match name {
            "bob" => name.to_owned(),
            "carol" => status.peer_id,
            _ => status.fingerprint.to_string(),
        };
        assert_eq!(ask(&alice, &called).await.unwrap(), "HELLO");
    }
}

#[tokio::test]
async fn nobody_of_that_name_is_said_at_once() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    let error = ask(&alice, "nobody").await.unwrap_err();
    let NodeError::NotFound { peer, detail } = error else { panic!("{error:?}") };
    assert_eq!(peer, "nobody");
    assert!(detail.starts_with("the registry does not know it, after "), "{detail}");
    let alone = start("alone", 3, config()).await;
    let error = lookup(&alone, "nobody").await.unwrap_err();
    assert!(error.to_string().contains("no node of the registry could be asked"), "{error}");
    let off = start("off", 4, config().with_dht(DhtMode::Off)).await;
    assert!(matches!(lookup(&off, "nobody").await, Err(NodeError::Registry { .. })));
    assert!(matches!(ask(&off, "nobody").await, Err(NodeError::UnknownPeer { .. })));
}

#[tokio::test]
async fn entities_are_found_by_all_that_they_can_do() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    let _bob = bootstrapped("bob", 3, &hub, &["ocr", "translate"]).await;
    let carol = bootstrapped("carol", 4, &hub, &["translate"]).await;
    let discover = async |list: &[&str]| {
        let found = alice.handle().discover(names(list), 10, LIMIT).await.unwrap();
        assert!(found.complete);
        found.listings.iter().map(|it| it.entity.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(discover(&["translate"]).await, ["bob", "carol"]);
    assert_eq!(discover(&["translate", "ocr"]).await, ["bob"]);
    assert!(discover(&["draw"]).await.is_empty());
    let registered = carol.handle().register(names(&["draw"]), Vec::new()).await.unwrap();
    assert_eq!(registered.listing.capabilities, ["draw", "translate"]);
    assert_eq!(registered.stored, registered.keys);
    assert_eq!(discover(&["draw"]).await, ["carol"]);
    carol.handle().register(Vec::new(), names(&["draw"])).await.unwrap();
    assert!(discover(&["draw"]).await.is_empty());
    assert_eq!(lookup(&alice, "carol").await.unwrap().listing.capabilities, ["translate"]);
    let refused = carol.handle().register(Vec::new(), names(&["translate"])).await.unwrap_err();
    assert!(refused.to_string().contains("configuration"), "{refused}");
}

#[tokio::test]
async fn a_node_that_stops_withdraws() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    let bob = bootstrapped("bob", 3, &hub, &["ocr"]).await;
    lookup(&alice, "bob").await.unwrap();
    bob.handle().shutdown().await;
    bob.stopped().await;
    let error = lookup(&alice, "bob").await.unwrap_err();
    assert!(error.to_string().contains("withdrawn"), "{error}");
    let found = alice.handle().discover(names(&["ocr"]), 10, LIMIT).await.unwrap();
    assert!(found.listings.is_empty());
}

/// The same name under another key: whoever knows the name goes on to find its key, and nothing that is
/// known is overwritten; whoever does not is shown both keys.
#[tokio::test]
async fn a_name_that_another_key_takes_is_refused_with_both_fingerprints() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    let bob = bootstrapped("bob", 3, &hub, &[]).await;
    tokio::spawn(answer(bob.handle()));
    assert_eq!(ask(&alice, "bob").await.unwrap(), "HELLO");
    let impostor = bootstrapped("bob", 4, &hub, &[]).await;
    let [right, wrong] = [3, 4].map(|seed| Fingerprint::of(&key(seed).public_key()));
    assert_eq!(lookup(&alice, "bob").await.unwrap().listing.fingerprint, right);
    assert_eq!(ask(&alice, "bob").await.unwrap(), "HELLO");
    // Whoever knows neither is shown both keys, until the operator pins one.
    let erin = bootstrapped("erin", 5, &hub, &[]).await;
    let error = ask(&erin, "bob").await.unwrap_err();
    let NodeError::Refused { code, detail, .. } = error else { panic!("{error:?}") };
    assert_eq!(code, ErrorCode::InvalidSignature);
    assert!(detail.contains(&right.to_string()) && detail.contains(&wrong.to_string()), "{detail}");
    erin.handle().pin("bob".parse().unwrap(), right).await.unwrap();
    assert_eq!(ask(&erin, "bob").await.unwrap(), "HELLO");
    // Nobody who knows bob takes the impostor for him once he is gone.
    bob.handle().shutdown().await;
    bob.stopped().await;
    for node in [&alice, &erin] {
        let error = lookup(node, "bob").await.unwrap_err();
        assert!(
            matches!(error, NodeError::NotFound { .. } | NodeError::Refused { .. }),
            "{error:?}"
        );
    }
    let lines = alice.handle().trust_list().await.unwrap();
    let line = lines.iter().find(|line| line.entity.as_str() == "bob").unwrap();
    assert_eq!(line.fingerprint, right);
    drop(impostor);
}

/// What the registry says binds no name: who was found as bob is not bob for good.
#[tokio::test]
async fn who_is_found_by_a_name_does_not_own_it() {
    let hub = start("hub", 1, config()).await;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    let impostor = bootstrapped("bob", 4, &hub, &[]).await;
    let wrong = Fingerprint::of(&key(4).public_key());
    assert_eq!(lookup(&alice, "bob").await.unwrap().listing.fingerprint, wrong);
    let bob = bootstrapped("bob", 3, &hub, &[]).await;
    tokio::spawn(answer(bob.handle()));
    let right = Fingerprint::of(&key(3).public_key());
    alice.handle().pin("bob".parse().unwrap(), right).await.unwrap();
    assert_eq!(ask(&alice, "bob").await.unwrap(), "HELLO");
    assert_eq!(lookup(&alice, "bob").await.unwrap().listing.fingerprint, right);
    drop(impostor);
}

#[tokio::test]
async fn a_registry_file_finds_without_a_dht_and_against_a_stranger_in_it() {
    let dir = TempDir::new().unwrap();
    let bob = start("bob", 3, config().with_dht(DhtMode::Off)).await;
    tokio::spawn(answer(bob.handle()));
    let path = dir.path().join("registry.toml");
    let text = format!(
        "[[entity]]\nid = \"bob\"\naddresses = [\"{}\"]\ncapabilities = [\"ocr\"]\n",
        address(&bob).await
    );
    std::fs::write(&path, &text).unwrap();
    let config = || config().with_registry_file(path.clone());
    let alice = start("alice", 2, config().with_dht(DhtMode::Off)).await;
    assert_eq!(lookup(&alice, "bob").await.unwrap().listing.source, Source::File);
    assert_eq!(ask(&alice, "bob").await.unwrap(), "HELLO");
    let found = alice.handle().discover(names(&["ocr"]), 10, LIMIT).await.unwrap();
    assert_eq!(found.listings.len(), 1);

    // A stranger who takes the name in the registry does not take it from the file.
    let hub = start("hub", 1, self::config()).await;
    let _impostor = bootstrapped("bob", 4, &hub, &[]).await;
    let to = vec![address(&hub).await.parse().unwrap()];
    let carol = start("carol", 5, config().with_bootstrap(to)).await;
    registered(&carol.handle()).await;
    let found = lookup(&carol, "bob").await.unwrap().listing;
    assert_eq!(found.fingerprint, Fingerprint::of(&key(3).public_key()));
    assert_eq!(found.source, Source::File);
    assert_eq!(ask(&carol, "bob").await.unwrap(), "HELLO");
}

/// What a node kept for others, and what was registered at run time, outlives a restart.
#[tokio::test]
async fn a_node_restarts_with_what_it_kept() {
    let dir = TempDir::new().unwrap();
    let open = || Store::open(&dir.path().join("state.redb")).unwrap();
    let start_hub = async |store| {
        let trust = TrustFile::in_memory(TrustPolicy::Open);
        let config = config().with_entity("hub".parse().unwrap());
        Node::start(config, key(1), trust, store).await.unwrap()
    };
    let hub = start_hub(open()).await;
    let bob = bootstrapped("bob", 3, &hub, &["ocr"]).await;
    hub.handle().register(names(&["draw"]), Vec::new()).await.unwrap();
    let before = hub.handle().dht().await.unwrap();
    assert!(before.records >= 3, "{before:?}");
    hub.handle().shutdown().await;
    hub.stopped().await;
    let store = async {
        loop {
            // The writing thread closes the file a moment after the node has stopped.
            match Store::open(&dir.path().join("state.redb")) {
                Ok(store) => return store,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let hub = start_hub(store.await).await;
    let after = hub.handle().dht().await.unwrap();
    assert_eq!((after.records, after.providers > 0), (before.records, true));
    let own = hub.handle().lookup("hub", false, LIMIT).await.unwrap();
    assert_eq!(own.listing.capabilities, ["draw"]);
    // Nobody else is asked: it knows.
    let found = hub.handle().lookup("bob", true, LIMIT).await.unwrap();
    assert_eq!(found.listing.entity.as_str(), "bob");
    drop(bob);
}

/// The trust list decides before anybody is dialled.
#[tokio::test]
async fn a_revoked_key_is_not_found() {
    let hub = start("hub", 1, config()).await;
    let bob = bootstrapped("bob", 3, &hub, &["ocr"]).await;
    let fingerprint = bob.handle().status().await.unwrap().fingerprint;
    let alice = bootstrapped("alice", 2, &hub, &[]).await;
    alice.handle().pin("bob".parse().unwrap(), fingerprint).await.unwrap();
    alice.handle().revoke("bob").await.unwrap();
    let error = lookup(&alice, "bob").await.unwrap_err();
    assert!(matches!(error, NodeError::Refused { .. }), "{error:?}");
    let found = alice.handle().discover(names(&["ocr"]), 10, LIMIT).await.unwrap();
    assert_eq!((found.listings.len(), found.rejected), (0, 1));
}
