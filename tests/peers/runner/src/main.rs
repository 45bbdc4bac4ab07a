//! `scripts/bench peers`: has us and our rivals take turns, round by round, and compares.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod busy;
mod contestant;
mod goals;
mod pair;
mod report;
mod results;
mod shapes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use peer_contest::{Failure, Threads, Workload};

use self::busy::Busy;
use self::contestant::{Contestant, Transport};
use self::pair::Pair;
use self::results::Results;

/// We and others at the same work, each as two processes on loopback.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench peers",
    after_help = "A round is one measurement of each workload and contestant. Everybody is connected anew\n\
                  for each. Shapes are tried first, and the better one counts, for each workload.\n\
                  Exit codes: 0 done; 1 a contestant failed; 2 wrong usage."
)]
struct Args {
    /// Where the contestants' programs are
    #[arg(long, hide = true)]
    programs: PathBuf,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Milliseconds of a measurement
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// Only these contestants
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Contestant::ALL)]
    only: Vec<Contestant>,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Workload::ALL)]
    measure: Vec<Workload>,
    /// How each process runs its tasks; without it, whatever is better
    #[arg(long, value_enum)]
    threads: Option<Threads>,
    /// Milliseconds in which a shape shows what it can, twice
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    trial: u64,
    /// The transport of what is built on libp2p
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    transport: Transport,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match compare(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> Result<(), Failure> {
    let mut all = Vec::new();
    for contestant in &args.only {
        let start = |threads| Pair::start(contestant.command(args, threads)?, *contestant);
        all.push(shapes::Entrant::start(*contestant, args.threads, start)?);
    }
    if args.threads.is_none() {
        for workload in &args.measure {
            eprintln!("which shape is better: {workload}");
            for entrant in &mut all {
                entrant.choose(*workload, Duration::from_millis(args.trial))?;
            }
        }
    }
    let busy = |all: &[shapes::Entrant]| Busy::now(all.iter().flat_map(shapes::Entrant::processes));
    let before = busy(&all);
    let mut results = Results::default();
    let long = Duration::from_millis(args.millis);
    for round in 0..args.rounds {
        for workload in &args.measure {
            eprintln!("round {} of {}: {workload}", round + 1, args.rounds);
            // Nobody is always the first, or always after the same one.
            let first = usize::try_from(round)? % all.len().max(1);
            let (before, after) = all.split_at_mut(first);
            for entrant in after.iter_mut().chain(before) {
                let measured = entrant.round(*workload, long)?;
                results.add(entrant.contestant, *workload, measured);
            }
        }
    }
    for workload in &args.measure {
        println!("{}", report::table(*workload, &all, &results));
    }
    if let (Some(before), Some(after)) = (before, busy(&all)) {
        let others = after.others_since(before) * 100.0;
        println!("Meanwhile other programs used {others:.0} % of this machine's processors.");
    }
    Ok(())
}
