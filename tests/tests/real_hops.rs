//! Separate processes on real sockets, of which some are reached over others only.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::process::Command;
use std::time::{Duration, Instant};

use peer_tests::processes::{Agent, Node, Options, eventually};
use tempfile::TempDir;

/// Nodes in a line; each is connected to the next.
fn line(root: &TempDir, names: &[&str]) -> Vec<Node> {
    let start = |name: &&str| Node::start(Options::tcp(root.path(), name)).unwrap();
    let nodes: Vec<_> = names.iter().map(start).collect();
    for pair in nodes.windows(2) {
        pair[0].run(&["connect", &pair[1].address()]).unwrap();
    }
    nodes
}

/// An address of `node` at which nobody listens: its peer id is all that is of use.
fn dead_address(node: &Node) -> String {
    let address = node.address();
    let id = address.rsplit('/').next().unwrap();
    format!("/ip4/127.0.0.1/tcp/1/p2p/{id}")
}

#[track_caller]
fn talk(from: &Node, to: &str, text: &str) {
    let answer = from.run(&["talk", to, text, "--timeout", "15s"]);
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", from.log()));
    assert_eq!(answer["content"]["text"], text);
}

fn signal(node: &Node, name: &str) {
    let sent = Command::new("kill").args([name, &node.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn four_in_a_line_talk_over_hops_and_then_directly_in_the_same_session() {
    let root = TempDir::new().unwrap();
    let nodes = line(&root, &["entity_a", "entity_b", "entity_c", "entity_d"]);
    let (a, d) = (&nodes[0], &nodes[3]);
    let _agents = [a, d].map(|node| Agent::attach(node, "cat").unwrap());

    talk(a, &dead_address(d), "over two others");
    let session = a.session("entity_d").unwrap();
    assert_eq!(session["id"], d.session("entity_a").unwrap()["id"]);
    assert!(a.log().contains("hops=3"), "{}", a.log());
    // The other end has never heard of an address.
    talk(d, "entity_a", "and back");

    // A direct connection takes over, and hops again when it is lost.
    a.run(&["connect", &d.address()]).unwrap();
    talk(a, "entity_d", "directly");
    assert_eq!(a.session("entity_d").unwrap()["id"], session["id"]);
    let peers = a.peers();
    let peer = peers.iter().find(|peer| peer["entity"] == "entity_d").unwrap();
    assert_eq!(peer["connected"], true);
}

/// One of two carriers is stopped: its connections stay, but nothing comes of them.
#[test]
fn a_carrier_that_stops_without_a_word_is_passed_by_within_three_seconds() {
    let root = TempDir::new().unwrap();
    let nodes = line(&root, &["entity_a", "entity_b", "entity_c", "entity_d"]);
    // The other way: a – d – c.
    nodes[0].run(&["connect", &nodes[3].address()]).unwrap();
    let (a, c) = (&nodes[0], &nodes[2]);
    let _agent = Agent::attach(c, "cat").unwrap();
    talk(a, &dead_address(c), "some way");
    assert!(eventually(Duration::from_secs(5), || a.session("entity_c").is_some()));
    // Each of the two carriers is stopped in turn, so that the one in use is among them.
    for carrier in [&nodes[1], &nodes[3]] {
        signal(carrier, "-STOP");
        let started = Instant::now();
        talk(a, "entity_c", "another way");
        let took = started.elapsed();
        signal(carrier, "-CONT");
        assert!(took < Duration::from_secs(3), "{took:?}");
        talk(a, "entity_c", "any way");
    }
}
