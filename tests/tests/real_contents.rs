//! Long contents between real processes, in order with short ones: nodes that are killed meanwhile.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::path::Path;
use std::time::{Duration, Instant};

use peer_node::api::{Acknowledge, Client, Report, Talk};
use peer_node::model::{Content, Wait};
use peer_node::paths::DataDir;
use peer_protocol::crypto::{Blake3, Digest};
use peer_tests::processes::{Agent, Node, Options, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(240);

fn node(root: &Path, entity: &str) -> Node {
    let mut options = Options::tcp(root, entity);
    options.args = ["--dht", "off"].map(str::to_owned).to_vec();
    Node::start(options).unwrap()
}

fn client(node: &Node) -> Client {
    Client::new(&DataDir::resolve(Some(node.dir().to_owned())).unwrap())
}

/// Bytes that do not repeat themselves.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed + 1).wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn digest(bytes: &[u8]) -> Digest {
    let mut hash = Blake3::new();
    hash.update(bytes);
    hash.finish()
}

/// Resident memory in MiB: the most since it was last reset.
fn peak(node: &Node) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn reset_peak(node: &Node) {
    // Only the measurement is poorer without.
    let _ = std::fs::write(format!("/proc/{}/clear_refs", node.id()), "5");
}

fn report(bytes: &[u8], number: usize) -> Report {
    Report {
        peer: "bob".to_owned(),
        status: number.to_string(),
        next_action: None,
        content: Some(Content::from_bytes(bytes)),
        timeout_ms: Some(60_000),
        wait: Some(Wait::Queued),
        ttl_ms: None,
    }
}

/// Waits for one of the transfers of `node` to be on its way.
fn under_way(node: &Node, least: u64) -> bool {
    eventually(Duration::from_secs(60), || {
        let list = node.run(&["transfers", "list", "--all"]).unwrap_or_default();
        list.as_array().into_iter().flatten().any(|transfer: &Value| {
            transfer["state"] == "running" && transfer["done"].as_u64() >= Some(least)
        })
    })
}

#[test]
fn long_contents_arrive_once_and_in_order_whoever_is_killed() {
    let root = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let (mut alice, mut bob) = (node(root.path(), "alice"), node(root.path(), "bob"));
    alice.run(&["connect", &bob.address()]).unwrap();
    let idle = [peak(&alice), peak(&bob)];
    let lens = [10, 5 * MIB, 20, 60 * MIB, 30, 40, 5 * MIB, 70 << 10, 50];
    let begun = Instant::now();
    let mut sent = Vec::new();
    for (number, len) in lens.into_iter().enumerate() {
        let bytes = noise(len, number as u64);
        let told = runtime.block_on(client(&alice).report(&report(&bytes, number))).unwrap();
        sent.push((number.to_string(), len, digest(&bytes)));
        println!("{number}: {len} bytes are {}", told.status.as_str());
    }
    println!("alice: {} MiB at most while she was told all of it, idle {}", peak(&alice), idle[0]);
    assert!(under_way(&alice, 8 << 20), "{:?}", alice.run(&["outbox", "list"]));
    alice.kill();
    alice.restart().unwrap();
    alice.run(&["connect", &bob.address()]).unwrap();
    assert!(under_way(&alice, 20 << 20), "{:?}", alice.run(&["outbox", "list"]));
    let most = peak(&bob);
    println!("bob: {most} MiB at most while it came, idle {}", idle[1]);
    assert!(most < idle[1] + 150);
    bob.kill();
    bob.restart().unwrap();
    assert!(eventually(Duration::from_secs(60), || under_way(&alice, 40 << 20)));
    alice.kill();
    alice.restart().unwrap();
    alice.run(&["connect", &bob.address()]).unwrap();
    // All that fits: one peer may leave 64 MiB of contents.
    let waiting = |node: &Node| {
        let list = node.run(&["inbox", "list"]).unwrap_or_default();
        list["total"].as_u64().unwrap_or_default()
    };
    assert!(eventually(Duration::from_secs(120), || waiting(&bob) >= 3), "{}", bob.log());
    reset_peak(&bob);
    println!("bob: {} MiB with {} waiting", peak(&bob), waiting(&bob));
    let heard = runtime.block_on(tokio::time::timeout(PATIENCE, async {
        let to = client(&bob);
        let mut heard = Vec::new();
        let mut messages = to.messages(None).await.unwrap();
        while heard.len() < lens.len() {
            let message = messages.next().await.unwrap();
            let bytes = message.content.to_bytes().unwrap();
            heard.push((message.status.unwrap(), bytes.len(), digest(&bytes)));
            let ids = vec![format!("n{}", message.inbox_number.unwrap())];
            to.acknowledge(&Acknowledge { ids }).await.unwrap();
        }
        heard
    }));
    let heard =
        heard.unwrap_or_else(|_| panic!("{:?}\n{}", alice.run(&["outbox", "list"]), alice.log()));
    println!(
        "all of it after {:.1} s; bob: {} MiB at most",
        begun.elapsed().as_secs_f64(),
        peak(&bob)
    );
    assert_eq!(heard, sent);
    // Nothing is left on either disk.
    let empty = |node: &Node, directory: &str| {
        let path = node.dir().join("transfers").join(directory);
        std::fs::read_dir(path).is_ok_and(|entries| entries.count() == 0)
    };
    assert!(eventually(Duration::from_secs(20), || empty(&alice, "spool")));
    assert!(eventually(Duration::from_secs(20), || empty(&bob, "contents")));
}

#[test]
fn a_long_question_gets_a_long_answer() {
    let root = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let (alice, bob) = (node(root.path(), "alice"), node(root.path(), "bob"));
    alice.run(&["connect", &bob.address()]).unwrap();
    let _agent = Agent::attach(&bob, "cat").unwrap();
    for len in [70 << 10, 5 * MIB, 60 * MIB] {
        let bytes = noise(len, len as u64);
        let ask = Talk {
            peer: "bob".to_owned(),
            content: Content::from_bytes(&bytes),
            conversation: None,
            timeout_ms: Some(120_000),
            ttl_ms: None,
            volatile: false,
        };
        let begun = Instant::now();
        let answer = runtime.block_on(client(&alice).talk(&ask)).unwrap();
        assert!(answer.done, "{:?}", answer.content.text);
        assert!(answer.content.to_bytes().unwrap() == bytes, "{len} bytes came back changed");
        println!("{len} bytes there and back in {:.1} s", begun.elapsed().as_secs_f64());
    }
    println!("alice {} MiB, bob {} MiB at most", peak(&alice), peak(&bob));
}
