//! `scripts/soak`: hours of work and of nodes that come and go, and what two that stay take of the machine.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use peer_tests::soak::{self, Bounds, Plan};

/// Keep a few nodes on loopback busy while others come, go, hang and die; what was accepted has to arrive
/// once, and what two nodes take that stay must not grow.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/soak",
    after_help = "Exit codes: 0 all arrived once and nothing grew; 1 something did not; 2 wrong usage."
)]
struct Args {
    /// How long, without a tenth before it to warm up, up to eight times as fast
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// Nodes that come and go
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=32))]
    nodes: u8,
    /// Contents and times follow from it [default: any, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Everything happens so many times as often
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// Where the nodes' data are kept while it runs [default: a temporary directory]
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !(0.1..=20.0).contains(&args.pace) {
        report::say("error: --pace: expected 0.1 to 20");
        return ExitCode::from(2);
    }
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("peer-soak-");
    let root = args.dir.as_ref().map_or_else(|| builder.tempdir(), |dir| builder.tempdir_in(dir));
    let root = match root {
        Ok(root) => root.keep(),
        Err(error) => {
            report::say(&format!("error: no room for the nodes' data: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let length = Duration::from_secs(60 * args.minutes);
    let plan = Plan {
        warm_up: length / 10,
        haste: (8.0 / args.pace).max(1.0),
        length,
        others: usize::from(args.nodes),
        seed: args.seed.unwrap_or_else(rand::random),
        pace: args.pace,
        reading: (length / 720).clamp(Duration::from_millis(500), Duration::from_secs(10)),
        bounds: Bounds {
            // A shorter run tells more of the allocator than of the hour.
            kib_per_hour: (args.minutes >= 30).then_some(1024.0),
            kib_at_last: if args.minutes >= 30 { 4096.0 } else { 16_384.0 },
        },
    };
    let fine = match soak::run(&root, &plan, &mut report::say) {
        Ok(outcome) => {
            report::table(&outcome);
            let findings = outcome.findings();
            for finding in &findings {
                report::say(&format!("FAILED {finding}"));
            }
            findings.is_empty()
        }
        Err(error) => {
            report::say(&format!("error: {error}"));
            false
        }
    };
    if fine {
        let _ = std::fs::remove_dir_all(root);
        report::say("all arrived once, and nothing grew");
        ExitCode::SUCCESS
    } else {
        report::say(&format!("the nodes' logs are in {}", root.display()));
        ExitCode::FAILURE
    }
}
