//! `scripts/bench memory`: what a node takes that does nothing, what a peer adds that does nothing, and
//! whether messages cost more with many peers.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod asking;
mod crowd;
mod goodput;
mod growth;
mod levels;
mod process;
mod swarms;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::swarms::Kind;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What idle nodes and idle peers take, and whether messages cost more with many peers.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench memory",
    after_help = "Memory is what is resident of a process's own, of no file. Exit codes: 0 done; 1 something \
                  failed; 2 wrong usage."
)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A node that has just been started and does nothing
    Idle {
        /// Seconds to wait
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// What a connection adds at its server: of a node, of this protocol alone, and of raw libp2p
    Connections {
        /// Connections of each kind
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
        /// Rounds, in which all kinds take turns
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Many idle sessions with one node, and what an honest pair has left
    Sessions {
        /// Sessions
        #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
        /// Seconds for each figure
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Messages a second from 1, 10, 100 and 1,000 peers, and from one of them while the others are idle
    Growth {
        /// Seconds for each figure
        #[arg(long, default_value_t = 4.0)]
        seconds: f64,
    },
    #[command(hide = true)]
    Serve {
        #[arg(value_enum)]
        kind: Kind,
    },
    #[command(hide = true)]
    Crowd(crowd::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Measured programs are quiet unless somebody looks for a fault.
    if std::env::var_os("RUST_LOG").is_some() {
        peer_node::telemetry::Telemetry::default().start();
    }
    let done = match args.what {
        None => levels::idle(10).and_then(|()| levels::connections(1000, 3)),
        Some(What::Idle { seconds }) => levels::idle(seconds),
        Some(What::Connections { count, rounds }) => levels::connections(count, rounds),
        Some(What::Sessions { count, seconds }) => goodput::sessions(count, seconds),
        Some(What::Growth { seconds }) => growth::growth(seconds),
        Some(What::Serve { kind }) => block_on(async move {
            match kind {
                Kind::Ours => swarms::serve_ours().await,
                Kind::Like | Kind::Bare => swarms::serve_raw(kind).await,
            }
        }),
        Some(What::Crowd(args)) => block_on(crowd::run(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what needs a runtime: all swarms of a process share one thread, as one node's do.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The middle one; of an even number the lower middle one. 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
