//! Messages between two nodes that are killed again and again: what was accepted arrives, once and in
//! order.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use peer_node::api::{Acknowledge, Client, Connect, Report};
use peer_node::model::{Content, Wait};
use peer_node::paths::DataDir;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::{Node, Options};

/// Reports at once, all of which are accepted or failed before the next are made: among themselves they
/// have no order.
const TOGETHER: usize = 16;

/// What is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many messages.
    pub messages: usize,
    /// How often each node is killed.
    pub kills: usize,
    /// Contents and times follow from it.
    pub seed: u64,
    /// How long everything may take.
    pub limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Messages that were accepted.
    pub accepted: usize,
    /// Those of which their caller never heard, because the node died.
    pub unheard: usize,
    /// How often a message was handed over again, because the receiver died before it was acknowledged.
    pub again: usize,
    /// How long it took.
    pub took: Duration,
}

/// A report as it was made.
#[derive(Debug, Clone)]
struct Made {
    round: usize,
    content: Vec<u8>,
    accepted: bool,
}

/// Runs it.
///
/// # Errors
/// What was lost, repeated, out of order or changed, or why it could not be run.
#[expect(clippy::print_stdout, reason = "a failure can be repeated only by whoever has the seed")]
pub fn run(root: &Path, plan: Plan) -> Result<Outcome, String> {
    println!("seed {}", plan.seed);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let options = |entity: &str| -> Result<Options, String> {
        let options = Options::tcp(root, entity);
        std::fs::create_dir_all(&options.dir).map_err(|error| error.to_string())?;
        let config = "[rate.task]\nper_minute = 1000000\nburst = 100000\n";
        let written = std::fs::write(options.dir.join("config.toml"), config);
        written.map_err(|error| error.to_string())?;
        Ok(options)
    };
    let mut sender = Node::start(options("sender")?)?;
    let mut receiver = Node::start(options("receiver")?)?;
    let client = |node: &Node| {
        let dir = DataDir::resolve(Some(node.dir().to_owned())).map_err(|error| error.to_string());
        dir.map(|dir| Client::new(&dir))
    };
    let (from, to) = (client(&sender)?, client(&receiver)?);
    let address = receiver.address();
    let connected = runtime.block_on(from.connect(&Connect { address, timeout_ms: None }));
    connected.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let allowed = Arc::new(AtomicUsize::new(0));
    let sending = runtime.spawn(send(from, plan, Arc::clone(&allowed)));
    let receiving = runtime.spawn(receive(to, Arc::clone(&done)));
    kill(&mut sender, &mut receiver, plan, &allowed)?;
    let made = runtime.block_on(async {
        let left = plan.limit.saturating_sub(begun.elapsed());
        tokio::time::timeout(left, sending).await
    });
    let made = made.map_err(|_| "the sender takes too long".to_owned())?;
    let made = made.map_err(|error| error.to_string())?;
    let empty = |node: &Node, what: &str| {
        let list = node.run(&[what, "list"]).unwrap_or_default();
        list["total"] == 0
    };
    let left = plan.limit.saturating_sub(begun.elapsed());
    let drained = super::eventually(left, || empty(&sender, "outbox") && empty(&receiver, "inbox"));
    done.store(true, Ordering::SeqCst);
    let received = runtime.block_on(receiving).map_err(|error| error.to_string())??;
    check(&made, &received).map_err(|error| {
        format!("{error}\nsender:\n{}\nreceiver:\n{}", tail(&sender), tail(&receiver))
    })?;
    if !drained {
        return Err(format!("messages are left over:\n{}\n{}", tail(&sender), tail(&receiver)));
    }
    Ok(Outcome {
        accepted: made.values().filter(|made| made.accepted).count(),
        unheard: made.values().filter(|made| !made.accepted).count(),
        again: received.again,
        took: begun.elapsed(),
    })
}

fn tail(node: &Node) -> String {
    let log = node.log();
    let lines: Vec<_> = log.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Kills both again and again, each time while a part of the messages is being sent.
fn kill(
    sender: &mut Node,
    receiver: &mut Node,
    plan: Plan,
    allowed: &AtomicUsize,
) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x6b69_6c6c);
    let mut left = [plan.kills, plan.kills];
    for killed in 1..=2 * plan.kills {
        allowed.store(plan.messages * killed / (2 * plan.kills), Ordering::SeqCst);
        // A part takes about so long.
        std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        let which = usize::from(rng.random_range(0..left[0] + left[1]) >= left[0]);
        let node = if which == 0 { &mut *sender } else { &mut *receiver };
        left[which] -= 1;
        node.kill();
        std::thread::sleep(Duration::from_millis(rng.random_range(0..200)));
        node.restart()?;
    }
    Ok(())
}

async fn send(client: Client, plan: Plan, allowed: Arc<AtomicUsize>) -> HashMap<String, Made> {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut made = HashMap::new();
    let mut number = 0;
    for round in 0.. {
        if number >= plan.messages {
            break;
        }
        while number >= allowed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut together = Vec::new();
        for _ in 0..TOGETHER.min(plan.messages - number) {
            let content = content(&mut rng);
            let status = number.to_string();
            number += 1;
            let report = Report {
                peer: "receiver".to_owned(),
                status: status.clone(),
                next_action: None,
                content: Some(Content::from_bytes(&content)),
                timeout_ms: Some(10_000),
                wait: Some(Wait::Queued),
                ttl_ms: None,
            };
            let client = client.clone();
            let asked = tokio::spawn(async move { client.report(&report).await.is_ok() });
            together.push((status, content, asked));
        }
        for (status, content, asked) in together {
            let accepted = asked.await.unwrap_or(false);
            made.insert(status, Made { round, content, accepted });
        }
        // A node that was killed takes a moment to come back.
        while client.status().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    made
}

/// Mostly small, some of several pages, now and then as large as one message may be without a transfer.
fn content(rng: &mut StdRng) -> Vec<u8> {
    let len = match rng.random_range(0..200) {
        0 => rng.random_range(65_000..60 * 1024 + 4_096),
        1..10 => rng.random_range(4_096..40_000),
        _ => rng.random_range(0..1_500),
    };
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// What the receiving agent saw.
#[derive(Debug, Default)]
struct Received {
    /// Id, status and content of each message when it first came, in order.
    first: Vec<(String, String, Vec<u8>)>,
    known: HashMap<String, usize>,
    acknowledged: HashSet<String>,
    again: usize,
}

async fn receive(client: Client, done: Arc<AtomicBool>) -> Result<Received, String> {
    let mut received = Received::default();
    while !done.load(Ordering::SeqCst) {
        let Ok(mut messages) = client.messages(None).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        loop {
            let next = tokio::time::timeout(Duration::from_millis(200), messages.next()).await;
            let incoming = match next {
                Ok(Ok(incoming)) => incoming,
                Ok(Err(_)) => break,
                Err(_) if done.load(Ordering::SeqCst) => break,
                Err(_) => continue,
            };
            let id = incoming.message_id.clone();
            let status = incoming.status.unwrap_or_default();
            let bytes = incoming.content.to_bytes().unwrap_or_default();
            if received.acknowledged.contains(&id) {
                return Err(format!("{status} was acknowledged, and came again"));
            }
            match received.known.get(&id) {
                Some(at) => {
                    received.again += 1;
                    if received.first[*at].2 != bytes {
                        return Err(format!("{status} came again with another content"));
                    }
                }
                None => {
                    received.known.insert(id.clone(), received.first.len());
                    received.first.push((id.clone(), status, bytes));
                }
            }
            if client.acknowledge(&Acknowledge { ids: vec![id.clone()] }).await.is_ok() {
                received.acknowledged.insert(id);
            }
        }
    }
    Ok(received)
}

fn check(made: &HashMap<String, Made>, received: &Received) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut round = 0;
    for (_, status, bytes) in &received.first {
        let made = made.get(status).ok_or_else(|| format!("{status} was never made"))?;
        if !seen.insert(status) {
            return Err(format!("{status} came twice"));
        }
        if made.content != *bytes {
            return Err(format!("{status} was changed on its way"));
        }
        if made.round < round {
            return Err(format!("{status} of round {} came after round {round}", made.round));
        }
        round = made.round;
    }
    let lost: Vec<_> = made
        .iter()
        .filter(|(status, made)| made.accepted && !seen.contains(status))
        .map(|(status, _)| status)
        .collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("{} were lost: {lost:?}", lost.len())) }
}
