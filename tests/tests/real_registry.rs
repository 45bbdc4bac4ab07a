//! Separate processes that find each other by name: without whom they began with, after being killed,
//! from another address.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::{Duration, Instant, SystemTime};

use peer_tests::processes::{Agent, Node, Options, eventually};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

fn start(root: &TempDir, name: &str, to: &[&Node], args: &[&str]) -> Node {
    let mut options = Options::tcp(root.path(), name);
    for node in to {
        options = options.arg("--bootstrap").arg(&node.address());
    }
    for argument in args {
        options = options.arg(argument);
    }
    let node = Node::start(options).unwrap();
    if !to.is_empty() {
        assert!(eventually(PATIENCE, || is_registered(&node)), "{}", node.log());
    }
    node
}

fn is_registered(node: &Node) -> bool {
    node.run(&["dht"]).is_ok_and(|dht| dht["registration"]["stored"].as_u64() > Some(0))
}

fn talks(from: &Node, to: &str, text: &str) -> bool {
    let answer = from.run(&["talk", to, text, "--timeout", "5s"]);
    answer.is_ok_and(|answer| answer["content"]["text"] == text)
}

fn finds(node: &Node, name: &str) -> Result<Value, String> {
    node.run(&["lookup", "--fresh", name]).map_err(|failed| failed.to_string())
}

/// The node that all others began with dies. Everything known goes on, strangers are still found, and
/// one that is killed and has nobody else in its configuration finds back by what is on its disk.
#[test]
fn the_first_node_is_not_needed_any_more() {
    let root = TempDir::new().unwrap();
    let mut hub = start(&root, "hub", &[], &[]);
    let alice = start(&root, "alice", &[&hub], &[]);
    let bob = start(&root, "bob", &[&hub], &["--capability", "ocr"]);
    let mut carol = start(&root, "carol", &[&hub], &[]);
    let _agents = [Agent::attach(&bob, "cat").unwrap(), Agent::attach(&alice, "cat").unwrap()];
    assert!(talks(&carol, "alice", "before"), "{}", carol.log());
    assert!(talks(&alice, "bob", "before"), "{}", alice.log());
    // What is on disk is a little behind what happens.
    let now = SystemTime::now();
    let written = || carol.dir().join("state.redb").metadata().unwrap().modified().unwrap();
    assert!(eventually(PATIENCE, || written() > now), "{}", carol.log());

    hub.kill();
    assert!(talks(&alice, "bob", "after"), "{}", alice.log());
    assert!(eventually(PATIENCE, || finds(&alice, "carol").is_ok()), "{}", alice.log());
    let able = alice.run(&["discover", "ocr"]).unwrap();
    assert_eq!(able["listings"][0]["entity"], "bob");

    carol.kill();
    carol.restart().unwrap();
    let begun = Instant::now();
    assert!(eventually(PATIENCE, || talks(&carol, "bob", "again")), "{}", carol.log());
    eprintln!("found back after {:?}", begun.elapsed());
    let doctor = carol.run(&["doctor"]).unwrap();
    let bootstrap = doctor["findings"].as_array().unwrap();
    let bootstrap = bootstrap.iter().find(|it| it["check"] == "bootstrap").unwrap();
    assert_eq!(bootstrap["grade"], "warning");
    assert!(bootstrap["detail"].as_str().unwrap().contains(&hub_port(&bootstrap["detail"])));
    assert!(bootstrap["fix"].as_str().unwrap().contains("goes on trying"), "{bootstrap}");
}

fn hub_port(detail: &Value) -> String {
    detail.as_str().unwrap().split("/tcp/").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// A node comes back at another address. Whoever has a session with it reaches it there, with the same
/// session if it is the one that only moved, and its record says where it is.
#[test]
fn whoever_comes_back_elsewhere_is_found_there() {
    let root = TempDir::new().unwrap();
    let hub = start(&root, "hub", &[], &[]);
    let alice = start(&root, "alice", &[&hub], &[]);
    let mut bob = start(&root, "bob", &[&hub], &[]);
    let agent = Agent::attach(&bob, "cat").unwrap();
    assert!(talks(&alice, "bob", "here"), "{}", alice.log());
    let before = bob.address();
    bob.kill();
    drop(agent);
    bob.move_to("/ip4/127.0.0.1/tcp/0");
    bob.restart().unwrap();
    let _agent = Agent::attach(&bob, "cat").unwrap();
    assert_ne!(bob.address(), before);
    let begun = Instant::now();
    assert!(
        eventually(Duration::from_secs(10), || talks(&alice, "bob", "there")),
        "{}",
        alice.log()
    );
    eprintln!("reached at the new address after {:?}", begun.elapsed());
    let new = bob.address().split("/p2p/").next().unwrap().to_owned();
    let listed = || finds(&hub, "bob").is_ok_and(|found| found["listing"]["addresses"][0] == *new);
    assert!(eventually(PATIENCE, listed), "{}", bob.log());
}

/// A bootstrap address where nobody is: named, with what to do; the node works with whom it finds.
#[test]
fn an_address_where_nobody_is_does_not_keep_a_node_from_working() {
    let root = TempDir::new().unwrap();
    let nowhere = "/ip4/127.0.0.1/tcp/9";
    let alone = start(&root, "alone", &[], &["--bootstrap", nowhere]);
    let says = |part: &str| eventually(PATIENCE, || alone.log().contains(part));
    assert!(says(nowhere), "{}", alone.log());
    let bob = start(&root, "bob", &[], &[]);
    let _agent = Agent::attach(&bob, "cat").unwrap();
    alone.run(&["connect", &bob.address()]).unwrap();
    assert!(talks(&alone, "bob", "hello"), "{}", alone.log());
    // Behind an address is somebody else than it says: both are named.
    let wrong = format!("{}/p2p/{}", bob.address().split("/p2p/").next().unwrap(), peer_id(&alone));
    let carol = start(&root, "carol", &[], &[]);
    let failed = carol.run(&["connect", &wrong]).unwrap_err().to_string();
    assert!(failed.contains(&peer_id(&bob)) && failed.contains(&peer_id(&alone)), "{failed}");
}

fn peer_id(node: &Node) -> String {
    node.status().unwrap()["peer_id"].as_str().unwrap().to_owned()
}
