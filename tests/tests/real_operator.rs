//! What an operator relies on: pins take effect at once, a full seed is not stormed, a stopping node
//! takes nothing on.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::process::Command;
use std::time::Duration;

use peer_tests::processes::{Agent, Node, Options, eventually};
use tempfile::TempDir;

#[test]
fn a_name_pinned_to_another_key_is_taken_from_its_holder_at_once() {
    let root = TempDir::new().unwrap();
    let a = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let b = Node::start(Options::tcp(root.path(), "entity_b")).unwrap();
    let _agent = Agent::attach(&b, "cat").unwrap();
    a.run(&["connect", &b.address()]).unwrap();
    a.run(&["talk", "entity_b", "before"]).unwrap();
    let other = "0123456789abcdef".repeat(4);
    a.run(&["trust", "pin", "entity_b", &other]).unwrap();
    let after = a.run(&["talk", "entity_b", "for the pinned key only", "--timeout", "3s"]);
    assert!(after.is_err(), "the old key answered: {after:?}");
    let pinned = |peer: &serde_json::Value| peer["trust"] == "pinned";
    assert!(!a.peers().iter().any(pinned), "{:?}", a.peers());
}

#[test]
fn a_seed_that_is_full_is_not_stormed() {
    let root = TempDir::new().unwrap();
    let seed =
        Node::start(Options::tcp(root.path(), "seed").arg("--max-connections").arg("1")).unwrap();
    let bootstrap =
        |name: &str| Options::tcp(root.path(), name).arg("--bootstrap").arg(&seed.address());
    let first = Node::start(bootstrap("first")).unwrap();
    assert!(eventually(Duration::from_secs(5), || first.session("seed").is_some()));
    let second = Node::start(bootstrap("second")).unwrap();
    // Real time must pass for a storm to show: this is about how often, not whether.
    std::thread::sleep(Duration::from_secs(4));
    let attempts = second.log().matches("connected peer=").count();
    assert!(attempts > 0, "{}", second.log());
    assert!(attempts < 12, "{attempts} connections in four seconds");
}

#[test]
fn a_stopping_node_takes_nothing_on() {
    let root = TempDir::new().unwrap();
    let a = Node::start(Options::tcp(root.path(), "entity_a")).unwrap();
    let b = Node::start(Options::tcp(root.path(), "entity_b").arg("--shutdown-grace").arg("4s"))
        .unwrap();
    let mut c = Node::start(Options::tcp(root.path(), "entity_c")).unwrap();
    b.run(&["connect", &c.address()]).unwrap();
    c.kill();
    // Something is under way, so that stopping takes its grace.
    let report = b.run(&["report", "entity_c", "are you there?", "--timeout", "1s"]).unwrap();
    assert!(["queued", "sent"].contains(&report["status"].as_str().unwrap()), "{report}");
    let address = b.address();
    assert!(Command::new("kill").arg(b.id().to_string()).status().unwrap().success());
    assert!(eventually(Duration::from_secs(2), || b.log().contains("stopping")), "{}", b.log());
    let refused = a.run(&["connect", &address]);
    assert!(refused.is_err(), "{refused:?}");
}
