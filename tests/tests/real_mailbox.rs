//! Separate processes: a sender and a receiver that never run at the same time, and three mailbox nodes
//! of which one is killed for good.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::{Duration, Instant};

use peer_tests::processes::{Node, Options, eventually};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(40);
const MESSAGES: usize = 60;

/// A node whose configuration has this table `[mailbox]`.
fn options(root: &TempDir, name: &str, hub: Option<&Node>, mailbox: &str) -> Options {
    let options = Options::tcp(root.path(), name);
    std::fs::create_dir_all(&options.dir).unwrap();
    let text = format!("[mailbox]\n{mailbox}\n");
    std::fs::write(options.dir.join("config.toml"), text).unwrap();
    match hub {
        Some(hub) => options.arg("--bootstrap").arg(&hub.address()),
        None => options,
    }
}

fn mailbox(node: &Node) -> Value {
    node.run(&["mailbox", "status"]).unwrap_or_default()
}

fn stored_records(node: &Node) -> u64 {
    let dht = node.run(&["dht"]).unwrap_or_default();
    dht["registration"]["stored"].as_u64().unwrap_or_default()
}

/// All lines of a list, over its pages.
fn lines(node: &Node, what: &str) -> Vec<Value> {
    let page = node.run(&[what, "--limit", "1000"]).unwrap_or_default();
    page["items"].as_array().cloned().unwrap_or_default()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["message_id"].as_str()).collect()
}

/// Stops a node as its operator would.
fn stop(node: &mut Node) {
    let id = node.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    // It has ended, and only its parent does not know yet.
    let stat = format!("/proc/{id}/stat");
    let ended = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
    assert!(eventually(PATIENCE, ended), "{}", node.log());
    node.kill();
}

fn peer_id(node: &Node) -> String {
    node.status().unwrap()["peer_id"].as_str().unwrap().to_owned()
}

/// Whether all its mailbox nodes hand out its prekeys, and the registry says where they are.
fn has_mailboxes(node: &Node, count: usize) -> bool {
    let nodes = mailbox(node)["nodes"].as_array().cloned().unwrap_or_default();
    let ready = |it: &Value| it["prekeys_left"].as_u64() > Some(64);
    nodes.len() == count && nodes.iter().all(ready) && stored_records(node) > 0
}

/// Whether so many messages lie at so many mailbox nodes of their receiver.
fn lie(node: &Node, messages: usize, nodes: usize) -> bool {
    let lying = mailbox(node)["lying"].as_array().cloned().unwrap_or_default();
    let all = |it: &Value| it["messages"].as_u64() == u64::try_from(messages).ok();
    lying.len() == nodes && lying.iter().all(all)
}

#[test]
fn messages_reach_a_peer_that_never_runs_with_their_sender() {
    let root = TempDir::new().unwrap();
    let serve = "serve = \"all\"";
    let first = Node::start(options(&root, "box1", None, serve)).unwrap();
    let mut second = Node::start(options(&root, "box2", Some(&first), serve)).unwrap();
    let third = Node::start(options(&root, "box3", Some(&first), serve)).unwrap();
    let at = [&first, &second, &third].map(|node| format!("{:?}", node.address())).join(", ");

    // The receiver leaves prekeys, says where its mailboxes are, and goes.
    let own = format!("at = [{at}]\nafter = \"2s\"\nevery = \"2s\"");
    let mut receiver = Node::start(options(&root, "receiver", Some(&first), &own)).unwrap();
    let ready = || has_mailboxes(&receiver, 3);
    assert!(eventually(PATIENCE, ready), "{}\n{}", mailbox(&receiver), receiver.log());
    let peer_id = peer_id(&receiver);
    stop(&mut receiver);

    // The sender puts what it has to say into them, and goes.
    let hasty = "after = \"2s\"\nevery = \"2s\"";
    let mut sender = Node::start(options(&root, "sender", Some(&third), hasty)).unwrap();
    assert!(eventually(PATIENCE, || stored_records(&sender) > 0), "{}", sender.log());
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let status = format!("report {number}");
        let said = sender.run(&["report", &peer_id, &status, "--wait", "queued"]).unwrap();
        sent.push(said["message_id"].as_str().unwrap().to_owned());
    }
    let lies = || lie(&sender, MESSAGES, 3);
    let begun = Instant::now();
    assert!(eventually(PATIENCE, lies), "{}\n{}", mailbox(&sender), sender.log());
    eprintln!("put at three nodes after {:?}", begun.elapsed());
    let trace = sender.run(&["trace", &sent[0]]).unwrap().to_string();
    assert!(trace.contains("in_mailbox"), "{trace}");
    assert!(lines(&sender, "outbox").iter().all(|line| line["status"] == "sent"), "{trace}");
    sender.kill();
    second.kill();

    // The receiver comes back, and finds them.
    receiver.restart().unwrap();
    let begun = Instant::now();
    let arrived = || lines(&receiver, "inbox").len() >= MESSAGES;
    assert!(eventually(PATIENCE, arrived), "{}\n{}", mailbox(&receiver), receiver.log());
    eprintln!("fetched after {:?}", begun.elapsed());
    let inbox = lines(&receiver, "inbox");
    assert_eq!(ids(&inbox), sent, "all, once, and in order");
    let empty = || [&first, &third].iter().all(|node| mailbox(node)["items"] == 0);
    assert!(eventually(PATIENCE, empty), "{}", mailbox(&first));
    receiver.kill();

    // The sender comes back, and learns it.
    sender.restart().unwrap();
    let begun = Instant::now();
    let told = || {
        let lines = lines(&sender, "outbox");
        let open = lines.iter().filter(|line| line["status"] == "sent").count();
        open == 0 && mailbox(&sender)["lying"].as_array().is_some_and(Vec::is_empty)
    };
    assert!(eventually(PATIENCE, told), "{}\n{}", mailbox(&sender), sender.log());
    eprintln!("told after {:?}", begun.elapsed());
    for id in &sent {
        let message = sender.run(&["outbox", "show", id]).unwrap();
        assert_eq!(message["message"]["status"], "delivered", "{message}");
    }
}

/// Whom the receiver does not trust, it does not hear by mail either, and who sent it is told so.
#[test]
fn mail_of_a_revoked_key_is_refused() {
    let root = TempDir::new().unwrap();
    let hub = Node::start(options(&root, "box", None, "serve = \"known\"")).unwrap();
    let at = format!("at = [{:?}]\nafter = \"1s\"\nevery = \"1s\"", hub.address());
    let mut receiver = Node::start(options(&root, "receiver", Some(&hub), &at)).unwrap();
    assert!(eventually(PATIENCE, || has_mailboxes(&receiver, 1)), "{}", receiver.log());
    let hasty = "after = \"1s\"\nevery = \"1s\"";
    let mut sender = Node::start(options(&root, "sender", Some(&hub), hasty)).unwrap();
    assert!(eventually(PATIENCE, || stored_records(&sender) > 0), "{}", sender.log());
    receiver.run(&["trust", "revoke", &peer_id(&sender)]).unwrap();
    let to = peer_id(&receiver);
    stop(&mut receiver);
    let said = sender.run(&["report", &to, "hello", "--wait", "queued"]).unwrap();
    let id = said["message_id"].as_str().unwrap();
    assert!(eventually(PATIENCE, || lie(&sender, 1, 1)), "{}\n{}", mailbox(&sender), sender.log());
    stop(&mut sender);
    receiver.restart().unwrap();
    let done = || mailbox(&hub)["items"] == 0;
    assert!(eventually(PATIENCE, done), "{}\n{}", mailbox(&hub), receiver.log());
    assert!(lines(&receiver, "inbox").is_empty());
    receiver.kill();
    sender.restart().unwrap();
    let status = || sender.run(&["outbox", "show", id]).unwrap()["message"].clone();
    assert!(eventually(PATIENCE, || status()["status"] == "failed"), "{}", status());
    assert_eq!(status()["code"], "INVALID_SIGNATURE", "{}", status());
}
