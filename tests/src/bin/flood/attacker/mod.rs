//! The attacker: one process, one attack, as fast as it goes or as it is told.

mod api;
mod connections;
mod crowd;
mod frames;
mod handshakes;
mod line;
mod packets;
mod session;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use self::source::Source;
use crate::Failure;
use crate::case::{Attack, Place};

/// What the attacker is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Orders {
    /// What to do
    pub(crate) attack: Attack,
    /// From where
    pub(crate) place: Place,
    /// The victim's address
    pub(crate) to: Multiaddr,
    /// The victim's local API
    pub(crate) socket: PathBuf,
    /// For how long, in seconds
    pub(crate) seconds: f64,
    /// Most a second
    pub(crate) rate: f64,
}

/// What it did.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Connections, requests, frames: what the attack is made of.
    pub(crate) times: u64,
    pub(crate) seconds: f64,
}

/// The attack as its tasks see it.
#[derive(Debug, Clone)]
struct Attempt {
    source: Source,
    to: Multiaddr,
    socket: PathBuf,
    rate: f64,
    begun: Instant,
    times: Arc<AtomicU64>,
}

impl Attempt {
    /// Counts one more.
    fn count(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until one more is within the rate, and counts it.
    async fn turn(&self) {
        let turn = self.times.fetch_add(1, Ordering::Relaxed);
        let due = self.begun + Duration::from_secs_f64(turn as f64 / self.rate);
        if due > Instant::now() {
            sleep_until(due).await;
        }
    }
}

/// Does what it is told, says when it begins, and at the end what it did.
pub(crate) fn run(orders: &Orders) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let attempt = Attempt {
            source: Source::new(orders.place, &orders.to).ok_or("no address to connect to")?,
            to: orders.to.clone(),
            socket: orders.socket.clone(),
            rate: orders.rate,
            begun: Instant::now(),
            times: Arc::default(),
        };
        let mut tasks = begin(orders.attack, &attempt).await?;
        println!("begun");
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs_f64(orders.seconds)).await;
        let done = Done {
            times: attempt.times.load(Ordering::Relaxed),
            seconds: begun.elapsed().as_secs_f64(),
        };
        tasks.abort_all();
        Ok::<_, Failure>(done)
    })?;
    println!("{}", serde_json::to_string(&done)?);
    // What is still open goes with the process, all at once.
    std::process::exit(0)
}

type Tasks = tokio::task::JoinSet<()>;

/// Starts the tasks of an attack.
async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    match attack {
        Attack::Connects | Attack::Silent | Attack::Garbage => {
            Ok(connections::begin(attack, attempt))
        }
        Attack::Noise | Attack::NoiseHeld | Attack::HalfNoise | Attack::Passers => {
            Ok(crowd::begin(attack, attempt))
        }
        Attack::ForgedInits
        | Attack::StrangerInits
        | Attack::ReplayedInits
        | Attack::Sessions
        | Attack::Renewals => handshakes::begin(attack, attempt).await,
        Attack::Tasks
        | Attack::Reports
        | Attack::WakeUps
        | Attack::Heartbeats
        | Attack::Discovery
        | Attack::Chunks
        | Attack::Mailbox
        | Attack::Receipts
        | Attack::Batches
        | Attack::BadSignatures
        | Attack::SlowReader => session::begin(attack, attempt).await,
        Attack::Registry | Attack::Hops => packets::begin(attack, attempt).await,
        Attack::Streams
        | Attack::HalfOpen
        | Attack::Hoard
        | Attack::LongNames
        | Attack::SlowWriter
        | Attack::HugeFrames
        | Attack::TinyFrames => frames::begin(attack, attempt).await,
        Attack::LocalApi => Ok(api::begin(attempt)),
    }
}
