//! `scripts/bench durable`: what the disk does, what the store makes of it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod disk;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// How many messages a second are made durable.
#[derive(Debug, Parser)]
#[command(
    name = "scripts/bench durable",
    after_help = "Exit codes: 0 measured; 1 something failed; 2 wrong usage."
)]
struct Args {
    /// Where the files are made; the disk there is what is measured
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Seconds for each figure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir_in(&args.dir)?;
    let time = Duration::from_secs_f64(args.seconds);
    println!("{:.0} fdatasync a second after 4 KiB each", disk::syncs(dir.path(), time)?);
    for group in [1, 64, 256, 1024] {
        let path = dir.path().join(format!("store{group}"));
        let store = store::Figures::measure(&path, group, time)?;
        println!("groups of {group}: {store}");
    }
    Ok(())
}
