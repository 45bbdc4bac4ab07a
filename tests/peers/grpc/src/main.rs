//! gRPC with mutual TLS as a contestant of `scripts/bench peers`: a call for each message, or one call that
//! streams both ways.

#![allow(clippy::print_stderr, reason = "a program that tells people what failed")]

mod calls;
mod certificates;
mod channel;
mod payload;
mod server;
mod stream;

use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use peer_contest::{Failure, Threads, drive};

/// The one that ours has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the build script makes.
mod service {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::needless_pass_by_value,
        clippy::allow_attributes_without_reason,
        clippy::semicolon_if_nothing_returned,
        reason = "generated"
    )]
    include!(concat!(env!("OUT_DIR"), "/peers.Contest.rs"));
}

/// gRPC in a comparison.
#[derive(Debug, Parser)]
#[command(name = "peers-grpc")]
struct Args {
    /// How the process runs its tasks
    #[arg(long, value_enum, default_value_t = Threads::One)]
    threads: Threads,
    /// Be the other side
    #[arg(long, conflicts_with = "drive", required_unless_present = "drive")]
    serve: bool,
    /// Measure what lines on the standard input ask
    #[arg(long, value_enum)]
    drive: Option<Shape>,
}

/// How calls are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// One for each message.
    Calls,
    /// One for all.
    Stream,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.drive {
        Some(shape) => driven(shape, args.threads),
        None => serve(args.threads),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(threads: Threads) -> Result<(), Failure> {
    threads.runtime()?.block_on(server::serve())
}

fn driven(shape: Shape, threads: Threads) -> Result<(), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--threads", &threads.to_string(), "--serve"]);
    match shape {
        Shape::Calls => drive(threads, command, async |line| {
            let place = channel::Place::parse(line)?;
            Ok(move || {
                let place = place.clone();
                async move { Ok(calls::Client::new(place.connect().await?)) }
            })
        }),
        Shape::Stream => drive(threads, command, async |line| {
            let place = channel::Place::parse(line)?;
            Ok(move || {
                let place = place.clone();
                async move { stream::Client::new(place.connect().await?).await }
            })
        }),
    }
}
