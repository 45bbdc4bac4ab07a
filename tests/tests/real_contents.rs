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

/// Resident memory in MiB: the most ever.
fn peak(node: &Node) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
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

/// What an agent takes, in order, however often its node dies. One that it was told is acknowledged never
/// comes again.
async fn take(to: Client, count: usize) -> Vec<(String, usize, Digest)> {
    let (mut heard, mut acknowledged) = (Vec::<(String, usize, Digest)>::new(), 0);
    while acknowledged < count {
        let Ok(mut messages) = to.messages(None).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while acknowledged < count {
            let Ok(message) = messages.next().await else { break };
            let bytes = message.content.to_bytes().unwrap();
            let one = (message.status.unwrap(), bytes.len(), digest(&bytes));
            match heard.last() {
                // Its node died before it was acknowledged, or said so.
                Some(last) if *last == one => assert_eq!(heard.len(), acknowledged + 1, "{one:?}"),
                _ => {
                    assert_eq!(heard.len(), acknowledged, "{one:?}");
                    heard.push(one);
                }
            }
            let ids = vec![format!("n{}", message.inbox_number.unwrap())];
            if to.acknowledge(&Acknowledge { ids }).await.is_err() {
                break;
            }
            acknowledged += 1;
        }
    }
    heard
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
    assert!(peak(&alice) < idle[0] + 400, "what waits lies in memory");
    let taking = runtime.spawn(take(client(&bob), lens.len()));
    for kill in 0..4 {
        let least = [8, 20, 32, 44][kill] << 20;
        let lists = || (alice.run(&["outbox", "list"]), bob.run(&["inbox", "list"]));
        assert!(under_way(&alice, least), "{:?}", lists());
        let node = if kill % 2 == 0 { &mut alice } else { &mut bob };
        println!("{} had {} MiB at most, and is killed", node.entity(), peak(node));
        assert!(peak(node) < idle[kill % 2] + 400);
        node.kill();
        node.restart().unwrap();
        if kill % 2 == 0 {
            alice.run(&["connect", &bob.address()]).unwrap();
        }
    }
    let heard = runtime.block_on(async { tokio::time::timeout(PATIENCE, taking).await });
    let heard = match heard {
        Ok(heard) => heard.unwrap(),
        Err(_) => panic!("{:?}\n{}", alice.run(&["outbox", "list"]), alice.log()),
    };
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
