//! Separate processes: a sender and a receiver that never run at the same time, and three mailbox nodes
//! of which one is killed for good, and another one while it is read.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::{Duration, Instant};

use peer_node::api::{Acknowledge, Client, Report};
use peer_node::model::{Content, Wait};
use peer_node::paths::DataDir;
use peer_tests::processes::{Node, Options, eventually};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(40);
const MESSAGES: usize = 60;
/// For the one that is about many.
const MANY: usize = 1_000;

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

/// Has each of `nodes` trust those whose names and fingerprints these are, as its operator would.
fn pin(nodes: &[&Node], whom: &[(&str, String)]) {
    for node in nodes {
        for (name, fingerprint) in whom {
            node.run(&["trust", "pin", name, fingerprint]).unwrap();
        }
    }
}

/// A node's key, before it has anything to do.
fn fingerprint(root: &TempDir, name: &str) -> String {
    let node = Node::start(options(root, name, None, "")).unwrap();
    node.status().unwrap()["fingerprint"].as_str().unwrap().to_owned()
}

/// Has `node` accept `count` messages for `to`, some at once; their order is that of their numbers.
fn report(node: &Node, to: &str, count: usize) {
    let client = Client::new(&DataDir::resolve(Some(node.dir().to_owned())).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for first in (0..count).step_by(20) {
            let one = |number: usize| {
                let report = Report {
                    peer: to.to_owned(),
                    status: number.to_string(),
                    next_action: None,
                    content: Some(Content::from_bytes(&[7; 2_000])),
                    timeout_ms: Some(10_000),
                    wait: Some(Wait::Queued),
                    ttl_ms: None,
                };
                let client = client.clone();
                tokio::spawn(async move { client.report(&report).await })
            };
            let together: Vec<_> = (first..count.min(first + 20)).map(one).collect();
            for one in together {
                one.await.unwrap().unwrap();
            }
        }
    });
}

/// A thousand messages from a sender that never runs with their receiver. One mailbox node dies for good
/// while they are put, another one is killed and comes back while they are fetched.
#[test]
fn a_thousand_messages_outlive_one_mailbox_node_and_the_crash_of_another() {
    let (root, begun) = (TempDir::new().unwrap(), Instant::now());
    let step = |what: &str| eprintln!("{what} after {:?}", begun.elapsed());
    let both = ["sender", "receiver"].map(|name| (name, fingerprint(&root, name)));
    let serve = "serve = \"pinned\"";
    let first = Node::start(options(&root, "box1", None, serve)).unwrap();
    let mut second = Node::start(options(&root, "box2", Some(&first), serve)).unwrap();
    let mut third = Node::start(options(&root, "box3", Some(&first), serve)).unwrap();
    pin(&[&first, &second, &third], &both);
    let at = [&first, &second, &third].map(|node| format!("{:?}", node.address())).join(", ");
    let own = format!("at = [{at}]\nafter = \"2s\"\nevery = \"2s\"");
    let mut receiver = Node::start(options(&root, "receiver", Some(&first), &own)).unwrap();
    pin(&[&receiver], &both[..1]);
    let ready = || has_mailboxes(&receiver, 3);
    assert!(eventually(PATIENCE, ready), "{}\n{}", mailbox(&receiver), receiver.log());
    let to = peer_id(&receiver);
    stop(&mut receiver);
    step("the receiver has gone");

    let hasty = "after = \"2s\"\nevery = \"2s\"";
    let mut sender = Node::start(options(&root, "sender", Some(&third), hasty)).unwrap();
    assert!(eventually(PATIENCE, || stored_records(&sender) > 0), "{}", sender.log());
    report(&sender, &to, MANY / 2);
    let some = || mailbox(&second)["items"].as_u64() > Some(0);
    assert!(eventually(PATIENCE, some), "{}\n{}", mailbox(&sender), sender.log());
    second.kill();
    report(&sender, &to, MANY - MANY / 2);
    step("all are accepted");
    let lie = || {
        let lying = mailbox(&sender)["lying"].as_array().cloned().unwrap_or_default();
        lying.iter().filter(|it| it["messages"].as_u64() == Some(MANY as u64)).count() == 2
    };
    assert!(eventually(PATIENCE, lie), "{}\n{}", mailbox(&sender), sender.log());
    let mut sent = lines(&sender, "outbox");
    sent.sort_by_key(|line| line["number"].as_u64());
    assert_eq!(sent.len(), MANY);
    sender.kill();
    step("all lie at two nodes");

    receiver.restart().unwrap();
    third.kill();
    third.restart().unwrap();
    let arrived = || lines(&receiver, "inbox").len() >= MANY;
    assert!(eventually(PATIENCE, arrived), "{}\n{}", mailbox(&receiver), receiver.log());
    step("all have arrived");
    let inbox = lines(&receiver, "inbox");
    assert_eq!(ids(&inbox), ids(&sent), "all, once, and in order");
    let taken: Vec<_> = ids(&inbox)[..MANY / 3].iter().map(|id| (*id).to_owned()).collect();
    let client = Client::new(&DataDir::resolve(Some(receiver.dir().to_owned())).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(client.acknowledge(&Acknowledge { ids: taken.clone() })).unwrap();
    let told = || {
        let nodes = mailbox(&receiver)["nodes"].as_array().cloned().unwrap_or_default();
        let told = nodes.iter().filter(|node| node["receipts_owed"] == 0).count();
        told == 2 && [&first, &third].iter().all(|node| mailbox(node)["items"] == 0)
    };
    assert!(eventually(PATIENCE, told), "{}\n{}", mailbox(&receiver), receiver.log());
    receiver.kill();
    step("both nodes know");

    sender.restart().unwrap();
    let statuses = || {
        let all = sender.run(&["outbox", "list", "--all", "--limit", "1000"]).unwrap_or_default();
        all["items"].as_array().cloned().unwrap_or_default()
    };
    let status = |line: &Value| {
        let is_taken = taken.iter().any(|id| line["message_id"] == **id);
        line["status"] == if is_taken { "processed" } else { "delivered" }
    };
    let knows = || {
        let all = statuses();
        all.len() == MANY && all.iter().all(status)
    };
    assert!(eventually(PATIENCE, knows), "{}\n{}", mailbox(&sender), sender.log());
    step("the sender knows");
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
