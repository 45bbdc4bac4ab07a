//! `scripts/bench dht`: the registry in networks of up to a thousand nodes, in one process.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

use std::process::ExitCode;

use clap::Parser;
use comfy_table::Table;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait as _};
use peer_tests::dht::{Network, Outcome, Scenario};

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

#[global_allocator]
static MEMORY: &PeakMemAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What happens to a network: hostile nodes of a hundred, and its phases with nodes that are
/// replaced, of a hundred.
const KINDS: [(usize, &[(&str, usize)]); 2] =
    [(0, &[("calm", 0), ("churn 30 %", 30)]), (20, &[("hostile 20 %", 0)])];

const HEADER: [&str; 17] = [
    "nodes",
    "run",
    "entities right",
    "eclipsed",
    "requests",
    "/ log2 n",
    "50 %",
    "95 %",
    "searches right",
    "requests",
    "50 %",
    "95 %",
    "peers",
    "hostile",
    "copies",
    "KiB/node",
    "grown in",
];

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!(
        "seed {seed}; requests: sent for one lookup; times: half of the lookups, 95 % of them;\n\
         eclipsed: the entity whose key hostile ids surround;\n\
         peers: in a routing table, and how many of them are hostile;\n\
         copies: honest nodes that keep a record, and the fewest; memory: peak, with connections"
    );
    let mut table = Table::new();
    table.set_header(HEADER);
    let mut fine = true;
    for &nodes in &args.nodes {
        for (hostile_percent, phases) in KINDS {
            let wanted = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only));
            if !phases.iter().any(|(name, _)| wanted(name)) {
                continue;
            }
            let (lookups, searches) = (args.lookups, args.searches);
            let scenario = Scenario { nodes, hostile_percent, lookups, searches, seed };
            // One for each network: what is left of it goes with it.
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                eprintln!("error: no runtime");
                return ExitCode::FAILURE;
            };
            MEMORY.reset_peak_memory();
            let mut network = runtime.block_on(Network::grow(scenario));
            for (name, churn_percent) in phases {
                let outcome = runtime.block_on(network.ask(*churn_percent));
                for wrong in &outcome.wrongs {
                    eprintln!("{nodes} nodes, {name}: {wrong}");
                }
                fine &= outcome.entities.percent() >= 99.0 && outcome.searches.percent() >= 99.0;
                let row = row(nodes, name, &outcome, &network);
                eprintln!("{}", row.join(" | "));
                table.add_row(row);
            }
        }
    }
    println!("{table}");
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(nodes: usize, name: &str, outcome: &Outcome, network: &Network) -> Vec<String> {
    let (entities, searches) = (&outcome.entities, &outcome.searches);
    vec![
        nodes.to_string(),
        name.to_owned(),
        format!("{:.1} %", entities.percent()),
        if outcome.eclipsed.all > 0 {
            format!("{:.1} %", outcome.eclipsed.percent())
        } else {
            "–".to_owned()
        },
        format!("{:.1}", entities.requests()),
        format!("{:.1}", entities.requests() / (nodes as f64).log2()),
        format!("{:.0?}", entities.time(50)),
        format!("{:.0?}", entities.time(95)),
        format!("{:.1} %", searches.percent()),
        format!("{:.0}", searches.requests()),
        format!("{:.0?}", searches.time(50)),
        format!("{:.0?}", searches.time(95)),
        format!("{:.0}", network.peers),
        format!("{:.0} %", network.hostile_peers),
        format!("{:.0} ({})", network.copies.0, network.copies.1),
        (MEMORY.get_peak_memory() / (nodes << 10)).to_string(),
        format!("{:.0?}", network.growing),
    ]
}
