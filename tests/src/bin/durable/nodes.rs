//! Two nodes in processes of their own: reports that count once their receiver has them on disk.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peer_node::config::NodeConfig;
use peer_node::model::{Content, Delivery, ReportOptions, Wait};
use peer_node::{Handle, Node, Store};
use peer_protocol::rate_limit::{Quota, RateProfile};
use serde::{Deserialize, Serialize};

use super::Failure;

/// Before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    messages: f64,
    syncs: f64,
    /// How long a caller waits for `delivered`.
    waited_ms: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Received {
    taken: u64,
    syncs: f64,
}

/// Messages a second.
pub(crate) fn measure(dir: &Path, seconds: f64, at_once: usize) -> Result<f64, Failure> {
    let (mut receiver, mut told) = start(&dir.join("receiver"), &["receiver".to_owned()])?;
    let mut address = String::new();
    told.read_line(&mut address)?;
    let to = address.trim().to_owned();
    let args = ["sender".to_owned(), to, seconds.to_string(), at_once.to_string()];
    let (mut sender, mut heard) = start(&dir.join("sender"), &args)?;
    let mut sent = String::new();
    heard.read_to_string(&mut sent)?;
    sender.wait()?;
    // It ends when nobody writes to it any more.
    drop(receiver.stdin.take());
    let mut received = String::new();
    told.read_to_string(&mut received)?;
    receiver.wait()?;
    let sent: Sent = serde_json::from_str(&sent)?;
    let received: Received = serde_json::from_str(&received)?;
    println!(
        "two nodes, {at_once} reports of 1 KiB at once: {:.0} messages a second are on the receiver's disk; \
         {:.0} ms each; {:.0} syncs a second at the sender, {:.0} at the receiver, whose agent took {}",
        sent.messages, sent.waited_ms, sent.syncs, received.syncs, received.taken
    );
    Ok(sent.messages)
}

fn start(dir: &Path, args: &[String]) -> Result<(Child, BufReader<ChildStdout>), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--dir")
        .arg(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("it has no output")?;
    Ok((child, BufReader::new(stdout)))
}

/// A node that takes everything; tells its address, and at the end what it did.
pub(crate) fn receiver(dir: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let (node, store) = node(dir, "receiver").await?;
        let listen = node.handle().status().await?.listen;
        println!("{}", listen.first().ok_or("it listens nowhere")?);
        let (begun, before) = (Instant::now(), store.commits()?);
        let (handle, taken) = (node.handle(), Arc::new(AtomicU64::new(0)));
        let taking = tokio::spawn(take(handle.clone(), Arc::clone(&taken)));
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        let syncs = (store.commits()? - before) as f64 / begun.elapsed().as_secs_f64();
        taking.abort();
        let taken = taken.load(Ordering::Relaxed);
        println!("{}", serde_json::to_string(&Received { taken, syncs })?);
        Ok(())
    })
}

/// An agent that takes all that comes, and says so for many at once.
async fn take(handle: Handle, taken: Arc<AtomicU64>) -> Result<(), peer_node::NodeError> {
    let mut messages = handle.subscribe(None).await?;
    while let Some(first) = messages.recv().await {
        let mut ids = vec![first];
        while ids.len() < 256
            && let Ok(Some(more)) =
                tokio::time::timeout(Duration::from_millis(1), messages.recv()).await
        {
            ids.push(more);
        }
        let number = |incoming: &peer_node::model::Incoming| {
            incoming.inbox_number.map(|number| format!("n{number}"))
        };
        let ids: Vec<_> = ids.iter().filter_map(number).collect();
        let count = ids.len() as u64;
        handle.acknowledge(ids).await?;
        taken.fetch_add(count, Ordering::Relaxed);
    }
    Ok(())
}

/// A node whose callers report as fast as they can.
pub(crate) fn sender(dir: &Path, to: &str, seconds: f64, at_once: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let (node, store) = node(dir, "sender").await?;
        node.handle().connect(to.parse()?).await?;
        let (delivered, waited_us) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for _ in 0..at_once {
            let (handle, delivered) = (node.handle(), Arc::clone(&delivered));
            let waited_us = Arc::clone(&waited_us);
            tokio::spawn(async move {
                let content = Content::from_bytes(&[b'x'; 1024]);
                let (ttl, wait, timeout) = (None, Wait::Delivered, Duration::from_secs(60));
                let options = ReportOptions { ttl, wait, timeout };
                loop {
                    let asked = Instant::now();
                    let content = content.clone();
                    let told = handle.report("receiver", String::new(), None, content, options);
                    match told.await {
                        Ok(told)
                            if matches!(told.status, Delivery::Delivered | Delivery::Processed) =>
                        {
                            delivered.fetch_add(1, Ordering::Relaxed);
                            let us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(0);
                            waited_us.fetch_add(us, Ordering::Relaxed);
                        }
                        other => {
                            eprintln!("{other:?}");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
            });
        }
        tokio::time::sleep(WARM_UP).await;
        let read = || (delivered.load(Ordering::Relaxed), waited_us.load(Ordering::Relaxed));
        let (begun, commits, (count, us)) = (Instant::now(), store.commits()?, read());
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let took = begun.elapsed().as_secs_f64();
        let (more, more_us) = read();
        let messages = more - count;
        let sent = Sent {
            messages: messages as f64 / took,
            syncs: (store.commits()? - commits) as f64 / took,
            waited_ms: (more_us - us) as f64 / 1000.0 / (messages.max(1)) as f64,
        };
        println!("{}", serde_json::to_string(&sent)?);
        Ok(())
    })
}

async fn node(dir: &Path, entity: &str) -> Result<(Node, Store), Failure> {
    std::fs::create_dir_all(dir)?;
    let store = Store::open(&dir.join("state.redb"))?;
    let quota = Quota { per_minute: 10_000_000, burst: 1_000_000 };
    let rate = RateProfile { task: quota, ..RateProfile::default() };
    let config = NodeConfig::default()
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse()?])
        .with_mdns(false)
        .with_upnp(false)
        .with_rate(rate)
        .with_trusted_rate(rate);
    let builder = Node::builder().config(config).store(store.clone()).entity(entity)?;
    Ok((builder.start().await?, store))
}
