//! Many idle sessions with one node, while two others talk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peer_node::api::{Client, Reply, Talk};
use peer_node::model::{Content, IncomingKind};
use peer_node::paths::DataDir;
use peer_tests::processes::Node;
use tokio::runtime::Runtime;

use crate::process::{Role, Server, taken};
use crate::swarms::Kind;
use crate::{Failure, median};

/// Questions under way.
const AT_ONCE: usize = 32;
/// Figures of which the median is taken.
const ROUNDS: usize = 3;
/// Peers of one process, which may open 20,000 files on many machines, two for each.
const CROWD: u32 = 2_500;
/// Until a node has noticed that peers have gone, and has called them in vain.
const LEAVING: Duration = Duration::from_secs(20);

/// How it goes for `count` sessions.
pub(crate) fn sessions(count: u32, seconds: f64) -> Result<(), Failure> {
    let root = tempfile::tempdir()?;
    let server = Server::node(root.path(), "server", count + count / 3, count)?;
    let Server::Node(honest) = Server::node(root.path(), "honest", 64, 0)? else {
        return Err("no node".into());
    };
    honest.run(&["connect", &server.address()]).map_err(|error| error.to_string())?;
    // Strangers' requests are limited.
    pin(&honest, node(&server)?)?;
    pin(node(&server)?, &honest)?;
    let runtime = Runtime::new()?;
    let (asking, answering) = (client(&honest)?, client(node(&server)?)?);
    runtime.spawn(answer(answering));
    let measure = |when: &str| -> Result<f64, Failure> {
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let before = taken(server.pid())?.cpu;
            let (rate, answered) = runtime.block_on(goodput(&asking, seconds));
            let cpu = (taken(server.pid())?.cpu - before) * 1e6 / answered.max(1.0);
            println!("{when}: {rate:.0} answers/s, {cpu:.0} µs of the node for each");
            rates.push(rate);
        }
        Ok(median(rates))
    };
    measure("warm up")?;
    let alone = measure("alone")?;
    let before = taken(server.pid())?;
    let begun = Instant::now();
    let mut crowds = Vec::new();
    let mut there = 0;
    while there < count {
        let more = CROWD.min(count - there);
        let (crowd, _) = Role::crowd(Kind::Ours, &server.address(), there, more)?;
        crowds.push(crowd);
        there += more;
        println!("{there} sessions after {:.1} s", begun.elapsed().as_secs_f64());
    }
    std::thread::sleep(Duration::from_secs(8));
    let with = taken(server.pid())?;
    println!(
        "{count} sessions: {:.1} MiB instead of {:.1}, {:.1} KiB each",
        with.own / 1024.0,
        before.own / 1024.0,
        (with.own - before.own) / f64::from(count)
    );
    let (mut server_cpu, mut crowd_cpu) = (-with.cpu, 0.0);
    for crowd in &crowds {
        crowd_cpu -= taken(crowd.pid())?.cpu;
    }
    std::thread::sleep(Duration::from_secs(12));
    server_cpu += taken(server.pid())?.cpu;
    for crowd in &crowds {
        crowd_cpu += taken(crowd.pid())?.cpu;
    }
    println!(
        "idle, they take {:.1} % of a processor at the node, {:.1} % at their own end",
        server_cpu / 0.12,
        crowd_cpu / 0.12
    );
    let among = measure("among them")?;
    drop(crowds);
    std::thread::sleep(LEAVING);
    let after = taken(server.pid())?;
    println!("after they left: {:.1} MiB", after.own / 1024.0);
    let after = measure("afterwards")?;
    println!(
        "goodput among {count} idle sessions: {:.2} of alone; afterwards {:.2} (goal: at least 0.9)",
        among / alone,
        after / alone
    );
    Ok(())
}

fn node(server: &Server) -> Result<&Node, Failure> {
    match server {
        Server::Node(node) => Ok(node),
        Server::Own(..) => Err("no node".into()),
    }
}

/// Has `node` trust `other`.
fn pin(node: &Node, other: &Node) -> Result<(), Failure> {
    let status = other.status().map_err(|error| error.to_string())?;
    let fingerprint = status["fingerprint"].as_str().unwrap_or_default();
    node.run(&["trust", "pin", other.entity(), fingerprint]).map_err(|error| error.to_string())?;
    Ok(())
}

fn client(node: &Node) -> Result<Client, Failure> {
    Ok(Client::new(&DataDir::resolve(Some(node.dir().to_owned()))?))
}

/// The agent at the node, which answers with what it is asked.
async fn answer(client: Client) {
    let Ok(mut messages) = client.messages(None).await else { return };
    while let Ok(incoming) = messages.next().await {
        if incoming.kind == IncomingKind::Task {
            let client = client.clone();
            tokio::spawn(async move {
                let (message_id, content) = (incoming.message_id, incoming.content);
                // Whoever asked counts the answers.
                let _ = client.answer(&Reply { message_id, content, done: true }).await;
            });
        }
    }
}

/// Answers a second, and how many.
async fn goodput(client: &Client, seconds: f64) -> (f64, f64) {
    let answered = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let askers = (0..AT_ONCE).map(|_| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let ask = Talk {
                peer: "server".to_owned(),
                content: Content::from_bytes(&[b'x'; 1024]),
                conversation: None,
                timeout_ms: Some(10_000),
                ttl_ms: None,
                volatile: true,
            };
            while Instant::now() < end {
                if client.talk(&ask).await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    futures::future::join_all(askers.collect::<Vec<_>>()).await;
    let answered = answered.load(Ordering::Relaxed) as f64;
    (answered / begun.elapsed().as_secs_f64(), answered)
}
