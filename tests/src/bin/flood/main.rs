//! `scripts/bench flood`: a node under attack, a peer that talks to it meanwhile, and what is left of
//! that.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod attacker;
mod bout;
mod case;
mod child;
mod gauge;
mod inside;
mod nodes;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use libp2p::Multiaddr;

use self::attacker::Orders;
use self::bout::{Pair, Setting};
use self::case::{Attack, Case, Place, Transport};
use self::nodes::Load;
use self::report::Goals;

type Failure = Box<dyn Error + Send + Sync>;

/// Attacks on a node, one after the other: what honest peers have left, what memory it takes, how soon it
/// is over.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench flood",
    args_conflicts_with_subcommands = true,
    after_help = "The victim has a core for itself; the honest peer shares the other one with the \
                  attacker, which runs after everybody else. As root it runs in a network namespace \
                  with public addresses, where the limits per network hold; otherwise on loopback, \
                  where they do not.\n\
                  Exit codes: 0 all goals are met; 1 one is not, or something failed; 2 wrong usage."
)]
struct Cli {
    #[command(flatten)]
    args: Args,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, clap::Args)]
struct Args {
    /// Only these attacks
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Attack>,
    /// How the attacker connects
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    transport: Transport,
    /// Only from these places
    #[arg(long, value_enum, value_delimiter = ',')]
    place: Vec<Place>,
    /// How long each attack lasts
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Questions a second of the honest peer; 0 for as many as there are answers, which measures the
    /// machine rather than the node
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// One victim for all attacks instead of one for each
    #[arg(long)]
    same: bool,
    /// Processes run where the kernel wants
    #[arg(long)]
    unpinned: bool,
    /// One JSON object an attack instead of a table
    #[arg(long)]
    json: bool,
    /// What is to be left of the goodput
    #[arg(long, default_value_t = 0.9)]
    least_goodput: f64,
    /// Most growth of memory, in MiB
    #[arg(long, default_value_t = 16.0)]
    most_memory: f64,
    /// Longest recovery, in milliseconds
    #[arg(long, default_value_t = 1000.0)]
    most_recovery: f64,
    /// Most that may be logged in an attack, in bytes
    #[arg(long, default_value_t = 64 << 10)]
    most_log: u64,
    /// Most time of its processor for each connection, request or frame, in microseconds
    #[arg(long, default_value_t = f64::INFINITY)]
    most_cost: f64,
    /// Most data that the victim may have, in MiB; with more it dies
    #[arg(long)]
    memory_limit: Option<u64>,
    /// Where the nodes keep what they keep
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    Victim { dir: PathBuf, listen: Vec<Multiaddr> },
    #[command(hide = true)]
    Honest {
        dir: PathBuf,
        #[command(flatten)]
        load: Load,
    },
    #[command(hide = true)]
    Newcomer { dir: PathBuf, to: Multiaddr },
    #[command(hide = true)]
    Attacker(Orders),
}

fn main() -> ExitCode {
    let Cli { args, role } = Cli::parse();
    let done = match role {
        Some(Role::Victim { dir, listen }) => nodes::victim(&dir, listen).map(|()| true),
        Some(Role::Honest { dir, load }) => nodes::honest(&dir, &load).map(|()| true),
        Some(Role::Newcomer { dir, to }) => nodes::newcomer(&dir, &to).map(|()| true),
        Some(Role::Attacker(orders)) => attacker::run(&orders).map(|()| true),
        None => compare(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all goals were met.
fn compare(args: &Args) -> Result<bool, Failure> {
    if !inside::is_inside() {
        inside::enter()?;
        eprintln!("note: no network namespace without root: from loopback only");
    }
    let public = inside::is_inside();
    let mut places = if args.place.is_empty() {
        vec![Place::Loopback, Place::OneNetwork, Place::ManyNetworks]
    } else {
        args.place.clone()
    };
    places.retain(|place| public || *place == Place::Loopback);
    let cores = std::thread::available_parallelism()?.get();
    let cores = (cores > 1 && !args.unpinned).then_some((0, 1));
    let memory = args.memory_limit;
    let setting = Setting { cores, seconds: args.seconds, rate: args.rate, public, memory };
    let goals = Goals {
        goodput: args.least_goodput,
        memory: args.most_memory,
        recovery: args.most_recovery,
        log: args.most_log,
        cost: args.most_cost,
    };
    let root = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let mut outcomes = Vec::new();
    let mut pair = None;
    for (number, case) in Case::all(&args.only, &places, args.transport).into_iter().enumerate() {
        eprintln!("{} …", case.name());
        let dir = root.path().join(if args.same { 0 } else { number }.to_string());
        let mut current = match pair.take() {
            Some(pair) => pair,
            None => Pair::start(&dir, setting)?,
        };
        let outcome = current.bear(case, &dir)?;
        if args.json {
            println!("{}", serde_json::to_string(&outcome)?);
        }
        outcomes.push(outcome);
        pair = args.same.then_some(current);
    }
    for outcome in &outcomes {
        for missed in goals.missed(outcome) {
            eprintln!("missed: {}: {missed}", outcome.attack);
        }
    }
    if !args.json {
        report::print(&outcomes, &goals);
    }
    Ok(outcomes.iter().all(|outcome| goals.missed(outcome).is_empty()))
}
