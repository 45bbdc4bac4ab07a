//! `scripts/bench delivery`: many simulated runs of ordered delivery, counted.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

use std::process::ExitCode;
use std::time::Instant;

use peer_tests::simulation::durable::{Gale, Outcome};
use peer_tests::simulation::{Chance, for_each_seed};

/// Runs, unless the environment's SIM_RUNS says otherwise.
const RUNS: u64 = 10_000;

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        eprintln!("error: no arguments are taken; SIM_RUNS and SIM_SEED are read");
        return ExitCode::from(2);
    }
    println!(
        "two nodes; lost, repeated and reordered requests, broken connections, crashes at any write,\n\
         full and failing disks, jumping clocks, dying applications, messages that expire, are\n\
         cancelled or refused"
    );
    let total = std::sync::Mutex::new(Outcome::default());
    let started = Instant::now();
    let runs = for_each_seed(RUNS, |seed| {
        let outcome = Gale::default().run(Chance::seeded(seed), 2);
        if let Ok(mut total) = total.lock() {
            total.add(&outcome);
        }
    });
    let took = started.elapsed();
    let Ok(total) = total.into_inner() else { return ExitCode::FAILURE };
    println!("\n{runs} runs in {:.0} s, none of them broke a promise", took.as_secs_f64());
    println!("{:>12}  messages given to senders", total.sent);
    println!("{:>12}  arrived, each once and in order", total.arrived);
    for (status, count) in &total.told {
        println!("{count:>12}  senders were told: {status}");
    }
    println!("{:>12}  requests, {} commits", total.requests, total.commits);
    ExitCode::SUCCESS
}
