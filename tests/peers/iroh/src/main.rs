//! iroh as a contestant of `scripts/bench peers`: a stream for each call, or one stream for all.
//!
//! Endpoints are bound to loopback; no relay, name service or port mapper is used.

#![allow(clippy::print_stderr, reason = "a program that tells people what failed")]

mod calls;
mod endpoint;
mod stream;

use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use peer_contest::{Failure, Threads, drive};

use self::endpoint::{bind, dial};

/// The one that ours has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// iroh in a comparison.
#[derive(Debug, Parser)]
#[command(name = "peers-iroh")]
struct Args {
    /// How the process runs its tasks
    #[arg(long, value_enum, default_value_t = Threads::One)]
    threads: Threads,
    /// Be the other side
    #[arg(long, value_enum, conflicts_with = "drive", required_unless_present = "drive")]
    serve: Option<Shape>,
    /// Measure what lines on the standard input ask
    #[arg(long, value_enum)]
    drive: Option<Shape>,
}

/// How streams are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// One for each call.
    Calls,
    /// One for all.
    Stream,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.serve, args.drive) {
        (Some(shape), _) => serve(shape, args.threads),
        (None, Some(shape)) => driven(shape, args.threads),
        (None, None) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause = error.source();
            eprintln!("error: {error}");
            while let Some(deeper) = cause {
                eprintln!("  {deeper}");
                cause = deeper.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(shape: Shape, threads: Threads) -> Result<(), Failure> {
    threads.runtime()?.block_on(async move {
        let endpoint = bind().await?;
        endpoint::print(&endpoint)?;
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                let connection = incoming.await?;
                match shape {
                    Shape::Calls => calls::serve(connection).await,
                    Shape::Stream => stream::serve(connection).await,
                }
            });
        }
        Ok(())
    })
}

fn driven(shape: Shape, threads: Threads) -> Result<(), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--threads", &threads.to_string()]);
    match shape {
        Shape::Calls => {
            command.args(["--serve", "calls"]);
            drive(threads, command, async |line| {
                let (own, other) = (bind().await?, endpoint::parse(line)?);
                Ok(move || {
                    let (own, other) = (own.clone(), other.clone());
                    async move { Ok(calls::Client::new(dial(&own, other).await?)) }
                })
            })
        }
        Shape::Stream => {
            command.args(["--serve", "stream"]);
            drive(threads, command, async |line| {
                let (own, other) = (bind().await?, endpoint::parse(line)?);
                Ok(move || {
                    let (own, other) = (own.clone(), other.clone());
                    async move { stream::Client::new(dial(&own, other).await?).await }
                })
            })
        }
    }
}
