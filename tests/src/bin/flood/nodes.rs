//! The honest side: the node that is attacked, a peer that talks to it, and one that comes anew.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use libp2p::Multiaddr;
use peer_node::api::Server;
use peer_node::config::{DhtMode, NodeConfig};
use peer_node::model::{Content, TalkOptions};
use peer_node::telemetry::Telemetry;
use peer_node::{Handle, Node, Store};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::{EntityId, Fingerprint, Identity};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Failure;

const VICTIM: (&str, [u8; 32]) = ("victim", [1; 32]);
const HONEST: (&str, [u8; 32]) = ("honest", [2; 32]);
/// Sessions are renewed while the attack lasts.
const SESSION: Duration = Duration::from_secs(6);
/// A question without an answer for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is asked, in bytes.
const QUESTION: usize = 256;
/// How often the honest peer says how it fares.
pub(crate) const SAMPLE: Duration = Duration::from_millis(50);
/// Questions of a peer that asks as fast as it can.
const IN_FLIGHT: usize = 64;
/// What is offered in one go.
const TICK: Duration = Duration::from_millis(4);

/// Where the victim is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) listen: Vec<Multiaddr>,
}

/// How the honest peer fares, since its last word.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Questions answered.
    pub(crate) answered: u64,
    /// Questions that found no answer.
    pub(crate) failed: u64,
    /// The longest wait among those answered, in microseconds.
    pub(crate) longest_us: u64,
}

/// How long a peer that nobody knew took to connect, open a session and get an answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Newcomer {
    pub(crate) took_ms: f64,
}

/// What the honest peer asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Whom
    pub(crate) to: Multiaddr,
    /// Questions a second; 0 for as many as there are answers
    pub(crate) rate: f64,
}

fn fingerprint((_, seed): (&str, [u8; 32])) -> Result<Fingerprint, Failure> {
    let identity = Identity::new(None, Arc::new(Ed25519Authenticator::from_seed(&seed)))?;
    Ok(Fingerprint::of(identity.public_key()))
}

async fn node(
    dir: &Path,
    who: Option<(&str, [u8; 32])>,
    listen: Vec<Multiaddr>,
) -> Result<Node, Failure> {
    std::fs::create_dir_all(dir)?;
    let config = NodeConfig::default()
        .with_listen(listen)
        .with_mdns(false)
        .with_upnp(false)
        .with_session_lifetime(SESSION)?
        .with_dht(if who == Some(VICTIM) { DhtMode::Server } else { DhtMode::Off });
    let store = Store::open(&dir.join("state.redb"))?;
    let builder = Node::builder().config(config).store(store);
    let builder = match who {
        Some((name, seed)) => builder.entity(name)?.key(Ed25519Authenticator::from_seed(&seed)),
        None => builder,
    };
    Ok(builder.start().await?)
}

/// The node that is attacked, as `peer run` has it: with a store, a local API, and a log on standard
/// error. Its agent answers every question. It ends with its standard input.
pub(crate) fn victim(dir: &Path, listen: Vec<Multiaddr>) -> Result<(), Failure> {
    Telemetry::default().start();
    tokio::runtime::Runtime::new()?.block_on(async {
        let node = node(dir, Some(VICTIM), listen).await?;
        let handle = node.handle();
        handle.pin(HONEST.0.parse()?, fingerprint(HONEST)?).await?;
        let _server = Server::start(&dir.join("api.sock"), handle.clone()).await?;
        tokio::spawn(answer(handle.clone()));
        let listen = handle.status().await?.listen;
        let listen = listen.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        say(&Address { listen })?;
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}

async fn answer(handle: Handle) -> Result<(), Failure> {
    let mut messages = handle.subscribe(None).await?;
    while let Some(asked) = messages.recv().await {
        let content = asked.content;
        // An asker that is gone has no use for an answer.
        let _ = handle.answer(&asked.message_id, content, true).await;
    }
    Ok(())
}

/// A pinned peer that asks without end, and says again and again how it fares.
pub(crate) fn honest(dir: &Path, load: &Load) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let node = node(dir, Some(HONEST), Vec::new()).await?;
        let handle = node.handle();
        handle.pin(VICTIM.0.parse()?, fingerprint(VICTIM)?).await?;
        handle.connect(load.to.clone()).await?;
        let fares = Arc::new(Fares::default());
        let asking = tokio::spawn(ask(handle, load.rate, Arc::clone(&fares)));
        let mut samples = interval(SAMPLE);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !asking.is_finished() {
            samples.tick().await;
            // Whoever listened is gone.
            if say(&fares.take()).is_err() {
                break;
            }
        }
        Ok(())
    })
}

#[derive(Debug, Default)]
struct Fares {
    answered: AtomicU64,
    failed: AtomicU64,
    longest_us: Mutex<u64>,
}

impl Fares {
    fn longest(&self) -> std::sync::MutexGuard<'_, u64> {
        self.longest_us.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Sample {
        Sample {
            answered: self.answered.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
            longest_us: std::mem::take(&mut *self.longest()),
        }
    }
}

async fn ask(handle: Handle, rate: f64, fares: Arc<Fares>) {
    // With a steady load, what is not answered in time is offered all the same, to a bound.
    let most = if rate > 0.0 { (2.0 * rate) as usize } else { IN_FLIGHT };
    let places = Arc::new(Semaphore::new(most));
    let begun = Instant::now();
    let mut ticks = interval(TICK);
    let mut offered = 0;
    loop {
        if rate > 0.0 {
            ticks.tick().await;
        }
        let due = (begun.elapsed().as_secs_f64() * rate) as u64;
        while rate <= 0.0 || offered < due {
            offered += 1;
            let place = if rate > 0.0 {
                match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => place,
                    Err(_) => {
                        fares.failed.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                }
            } else {
                match Arc::clone(&places).acquire_owned().await {
                    Ok(place) => place,
                    Err(_) => return,
                }
            };
            let (handle, fares) = (handle.clone(), Arc::clone(&fares));
            tokio::spawn(async move {
                let asked = Instant::now();
                if question(&handle, VICTIM.0).await {
                    fares.answered.fetch_add(1, Ordering::Relaxed);
                    let us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                    let mut longest = fares.longest();
                    *longest = us.max(*longest);
                } else {
                    fares.failed.fetch_add(1, Ordering::Relaxed);
                }
                drop(place);
            });
        }
    }
}

/// Whether there was an answer. What is asked stays in memory: the disk is measured elsewhere.
async fn question(handle: &Handle, peer: &str) -> bool {
    let options = TalkOptions { ttl: None, volatile: true, timeout: PATIENCE };
    let content = Content::from_bytes(&[b'x'; QUESTION]);
    handle.talk(peer, content, None, options).await.is_ok()
}

/// A peer that nobody has seen: connects, opens a session, asks.
pub(crate) fn newcomer(dir: &Path, to: &Multiaddr) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let node = node(dir, None, Vec::new()).await?;
        let handle = node.handle();
        let (begun, peer) = (Instant::now(), VICTIM.0.parse::<EntityId>()?);
        let reached = timeout(PATIENCE, async {
            loop {
                if handle.connect(to.clone()).await.is_ok()
                    && question(&handle, peer.as_str()).await
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        // One that never came in has taken all its time.
        let _ = reached.await;
        say(&Newcomer { took_ms: begun.elapsed().as_secs_f64() * 1e3 })
    })
}

fn say(word: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(word)?)?;
    out.flush()?;
    Ok(())
}
