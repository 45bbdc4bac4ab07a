//! `scripts/bench dht`: the registry in networks of up to a thousand nodes, in one process.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

use std::process::ExitCode;

use clap::Parser;
use comfy_table::Table;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait as _};
use peer_tests::dht::{Outcome, Scenario, run};

/// Networks that grow, publish, lose nodes and harbour hostile ones; what lookups find in them, and
/// what that costs.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench dht",
    after_help = "Keys and choices follow from the environment's SIM_SEED (1).\n\
                  Exit codes: 0 at least 99 % of all lookups were right everywhere; 1 not; 2 wrong usage."
)]
struct Args {
    /// Sizes of the networks
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256, 1000])]
    nodes: Vec<usize>,
    /// Lookups of entities in each run
    #[arg(long, default_value_t = 200)]
    lookups: usize,
    /// Searches for capabilities in each run
    #[arg(long, default_value_t = 30)]
    searches: usize,
    /// Only runs with this in their name: calm, churn, hostile
    #[arg(long)]
    only: Option<String>,
}

/// Name, hostile nodes and nodes that are replaced, of a hundred.
const KINDS: [(&str, usize, usize); 3] =
    [("calm", 0, 0), ("churn 30 %", 0, 30), ("hostile 20 %", 20, 0)];

#[global_allocator]
static MEMORY: &PeakMemAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!(
        "seed {seed}; requests: sent for one lookup; times: half of the lookups, 95 % of them; memory: peak, connections included"
    );
    let mut table = Table::new();
    table.set_header([
        "nodes",
        "run",
        "entities right",
        "requests",
        "/ log2 n",
        "50 %",
        "95 %",
        "searches right",
        "requests",
        "50 %",
        "95 %",
        "peers",
        "KiB/node",
        "grown in",
        "published in",
    ]);
    let mut fine = true;
    for &nodes in &args.nodes {
        for (name, hostile_percent, churn_percent) in KINDS {
            if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
                continue;
            }
            let (lookups, searches) = (args.lookups, args.searches);
            let scenario =
                Scenario { nodes, hostile_percent, churn_percent, lookups, searches, seed };
            // One for each run: what is left of it goes with it.
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                eprintln!("error: no runtime");
                return ExitCode::FAILURE;
            };
            MEMORY.reset_peak_memory();
            let outcome = runtime.block_on(run(&scenario));
            let memory = MEMORY.get_peak_memory() / nodes >> 10;
            for wrong in &outcome.wrongs {
                eprintln!("{nodes} nodes, {name}: {wrong}");
            }
            fine &= outcome.entities.percent() >= 99.0 && outcome.searches.percent() >= 99.0;
            let row = row(nodes, name, &outcome, memory);
            eprintln!("{}", row.join(" | "));
            table.add_row(row);
        }
    }
    println!("{table}");
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(nodes: usize, name: &str, outcome: &Outcome, memory: usize) -> Vec<String> {
    let (entities, searches) = (&outcome.entities, &outcome.searches);
    vec![
        nodes.to_string(),
        name.to_owned(),
        format!("{:.1} %", entities.percent()),
        format!("{:.1}", entities.requests()),
        format!("{:.1}", entities.requests() / (nodes as f64).log2()),
        format!("{:.0?}", entities.time(50)),
        format!("{:.0?}", entities.time(95)),
        format!("{:.1} %", searches.percent()),
        format!("{:.0}", searches.requests()),
        format!("{:.0?}", searches.time(50)),
        format!("{:.0?}", searches.time(95)),
        format!("{:.0}", outcome.peers),
        memory.to_string(),
        format!("{:.1?}", outcome.growing),
        format!("{:.1?}", outcome.publishing),
    ]
}
