//! `scripts/bench durable` and `scripts/bench kills`: what the disk does, what the store and two nodes
//! make of it, and what is left after many kills.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod disk;
mod nodes;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use peer_tests::processes::kills;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many messages a second are made durable, and whether they stay so.
#[derive(Debug, Parser)]
#[command(
    name = "durable",
    after_help = "Exit codes: 0 done; 1 something failed, was lost, or is too slow; 2 wrong usage."
)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// Where the files are made; the disk there is what is measured
    #[arg(long, default_value = "target", global = true)]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Messages of 1 KiB: the disk alone, the store alone, two nodes in processes of their own
    Speed {
        /// Seconds for each figure
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// Reports under way at once
        #[arg(long, default_value_t = 1024)]
        at_once: usize,
        /// Fewer messages a second between two nodes are a failure
        #[arg(long, default_value_t = 0.0)]
        least: f64,
    },
    /// Two nodes that are killed again and again: what was accepted arrives, once and in order
    Kills {
        /// Messages
        #[arg(long, default_value_t = 10_000)]
        messages: usize,
        /// How often each node is killed
        #[arg(long, default_value_t = 20)]
        kills: usize,
        /// Contents and times follow from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    #[command(hide = true)]
    Receiver,
    #[command(hide = true)]
    Sender { to: String, seconds: f64, at_once: usize },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.what {
        What::Speed { seconds, at_once, least } => speed(&args.dir, seconds, at_once, least),
        What::Kills { messages, kills, seed } => kill(&args.dir, messages, kills, seed),
        What::Receiver => nodes::receiver(&args.dir),
        What::Sender { to, seconds, at_once } => nodes::sender(&args.dir, &to, seconds, at_once),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn speed(dir: &Path, seconds: f64, at_once: usize, least: f64) -> Result<(), Failure> {
    let dir = tempfile::tempdir_in(dir)?;
    let time = Duration::from_secs_f64(seconds);
    println!("disk: {:.0} fdatasync a second, after 4 KiB each", disk::syncs(dir.path(), time)?);
    for group in [1, 64, 256, 1024] {
        let path = dir.path().join(format!("store{group}"));
        println!("store, groups of {group}: {}", store::Figures::measure(&path, group, time)?);
    }
    let rate = nodes::measure(dir.path(), seconds, at_once)?;
    if rate < least {
        return Err(format!("{rate:.0} messages a second are fewer than {least:.0}").into());
    }
    Ok(())
}

fn kill(dir: &Path, messages: usize, kills: usize, seed: u64) -> Result<(), Failure> {
    let dir = tempfile::tempdir_in(dir)?;
    let limit = Duration::from_secs(600);
    let outcome = kills::run(dir.path(), kills::Plan { messages, kills, seed, limit })?;
    let kills::Outcome { accepted, unheard, again, took } = outcome;
    println!(
        "{accepted} accepted messages arrived once and in order, {unheard} were made while the sender \
         died; {again} came again to an agent that had not acknowledged them; {:.1} s",
        took.as_secs_f64()
    );
    Ok(())
}
