//! `scripts/lab`: nodes in a small internet of network namespaces, with homes behind routers that
//! translate addresses, and with the faults that real networks have.

mod actor;
mod build;
mod clean;
mod finding;
mod interrupt;
mod network;
mod play;
mod probe;
mod proxy;
mod report;
mod requirements;
mod scenarios;
mod shell;
mod stage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Play scenarios with real nodes in a small internet of network namespaces on this machine: a public
/// segment, homes behind translating routers, and faults.
///
/// Needs root, `ip` and `nft`; where they are missing it says so and ends well. Nothing is sent on the
/// machine's own interfaces, and everything made is removed at the end, after Ctrl-C too.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/lab",
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 everything passed, or was skipped; 1 something failed, or was skipped with \
                  --require; 2 wrong usage; 130 interrupted."
)]
struct Cli {
    /// What is missing counts as a failure
    #[arg(long, global = true)]
    require: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the scenarios
    List,
    /// Play scenarios and print what came of them
    Run(play::Args),
    /// Play one scenario, leave everything up, and open a shell beside it
    Shell {
        /// The scenario
        name: String,
    },
    /// Remove what killed runs left behind
    Clean,
    #[command(hide = true)]
    Relay(proxy::Relay),
    #[command(hide = true)]
    Mirror { listen: std::net::SocketAddr },
    #[command(hide = true)]
    Probe(probe::Probe),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::List => report::list(scenarios::ALL),
        Command::Relay(relay) => return ended(relay.run()),
        Command::Mirror { listen } => return ended(probe::mirror(listen)),
        Command::Probe(probe) => return ended(probe.run().map(|text| report::print(&text))),
        Command::Clean => match requirements::missing() {
            Some(missing) => return skip(&missing, cli.require),
            None => clean::leftovers(),
        },
        Command::Run(args) => {
            let chosen = match args.chosen() {
                Ok(chosen) => chosen,
                Err(code) => return code,
            };
            if let Some(missing) = requirements::missing() {
                return skip(&missing, cli.require);
            }
            interrupt::watch();
            return play::all(&chosen, &args, cli.require);
        }
        Command::Shell { name } => {
            let Some(scenario) = scenarios::named(&name) else {
                return play::unknown(&name);
            };
            if let Some(missing) = requirements::missing() {
                return skip(&missing, cli.require);
            }
            interrupt::watch();
            return shell::open(scenario);
        }
    }
    ExitCode::SUCCESS
}

fn skip(missing: &str, require: bool) -> ExitCode {
    report::note(&format!("skipped: {missing}"));
    if require { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn ended(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
