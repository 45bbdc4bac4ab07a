//! `scripts/bench messages` and `scripts/bench bulk`: sealed, signed and acknowledged messages between two
//! processes, against raw libp2p over the same transport.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod measure;
mod ours;
mod raw;
mod report;
mod request_response;
mod transport;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::{Parser, ValueEnum};
use libp2p::Multiaddr;
use peer_contest::{Failure, Threads, drive};

use self::measure::{Plan, Results};
use self::transport::Link;

/// The one that `peer` has, for all sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How fast messages are: asked and answered, many in flight, and in bulk.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "speed",
    after_help = "Every message is acknowledged. Medians of rounds that take turns.\n\
                  Exit codes: 0 done; 1 a contender failed; 2 wrong usage."
)]
struct Args {
    /// The transport
    #[arg(long, value_enum, default_value_t = Link::Tcp)]
    transport: Link,
    /// How each process runs its tasks
    #[arg(long, value_enum, default_value_t = Threads::One)]
    threads: Threads,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these contenders
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Only these measurements
    #[arg(long, value_enum, value_delimiter = ',')]
    measure: Vec<Measurement>,
    /// A tenth of the messages
    #[arg(long)]
    quick: bool,
    /// The processor of each process, such as `0,1`; otherwise the kernel chooses, perhaps the same
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// Ours stays awake for a while after each message, as with `low_latency`
    #[arg(long)]
    low_latency: bool,
    /// Be the other side of a contender
    #[arg(long, value_enum, hide = true)]
    serve: Option<Contender>,
    /// Measure what lines on the standard input ask of a contender
    #[arg(long, value_enum, hide = true, conflicts_with = "serve")]
    drive: Option<Contender>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Asking and answering, one after the other.
    Asks,
    /// 64 messages in flight.
    Flow,
    /// Large messages.
    Bulk,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Contender {
    /// Sealed, signed, acknowledged messages.
    Ours,
    /// The same on `/peer/1.1.0` only.
    OursWithoutStreams,
    /// libp2p request–response.
    RequestResponse,
    /// The same, with lazy negotiation.
    RequestResponseLazy,
    /// One libp2p stream.
    Raw,
}

impl Contender {
    const ALL: [Self; 5] = [
        Self::Ours,
        Self::OursWithoutStreams,
        Self::RequestResponse,
        Self::RequestResponseLazy,
        Self::Raw,
    ];

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.serve, args.drive) {
        (Some(contender), _) => serve(contender, &args),
        (_, Some(contender)) => driven(contender, &args),
        _ => compare(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The other side: prints where it listens, and answers until it is killed.
fn serve(contender: Contender, args: &Args) -> Result<(), Failure> {
    let (link, awake) = (args.transport, args.low_latency);
    args.threads.runtime()?.block_on(async move {
        match contender {
            Contender::Ours => ours::serve(link, true, awake).await,
            Contender::OursWithoutStreams => ours::serve(link, false, awake).await,
            Contender::RequestResponse => request_response::serve(link, false).await,
            Contender::RequestResponseLazy => request_response::serve(link, true).await,
            Contender::Raw => raw::serve(link).await,
        }
    })
}

/// A process on the other side; it goes when this is dropped.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How the other side of `contender` is started.
fn other(contender: Contender, args: &Args) -> Result<Command, Failure> {
    let option = |value: Option<clap::builder::PossibleValue>| {
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let program = std::env::current_exe()?;
    let mut command = match args.cores.get(1) {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(["--serve", &contender.name()])
        .args(["--transport", &option(args.transport.to_possible_value())])
        .args(["--threads", &option(args.threads.to_possible_value())])
        .args(args.low_latency.then_some("--low-latency"))
        .stdout(Stdio::piped());
    Ok(command)
}

fn start(contender: Contender, args: &Args) -> Result<(Other, Multiaddr), Failure> {
    let mut child = other(contender, args)?.spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let other = Other(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok((other, line.trim().parse()?))
}

/// Has `scripts/bench peers` say what is measured, and when.
fn driven(contender: Contender, args: &Args) -> Result<(), Failure> {
    let (link, threads, awake) = (args.transport, args.threads, args.low_latency);
    let command = other(contender, args)?;
    let streams = contender == Contender::Ours;
    let lazy = contender == Contender::RequestResponseLazy;
    match contender {
        Contender::Ours | Contender::OursWithoutStreams => drive(threads, command, async |line| {
            let address: Multiaddr = line.parse()?;
            Ok(move || ours::Client::new(link, address.clone(), streams, awake))
        }),
        Contender::RequestResponse | Contender::RequestResponseLazy => {
            drive(threads, command, async |line| {
                let address: Multiaddr = line.parse()?;
                Ok(move || request_response::Client::new(link, address.clone(), lazy))
            })
        }
        Contender::Raw => drive(threads, command, async |line| {
            let address: Multiaddr = line.parse()?;
            Ok(move || raw::Client::new(link, address.clone()))
        }),
    }
}

fn compare(args: &Args) -> Result<(), Failure> {
    if let Some(core) = args.cores.first() {
        stay_on(*core)?;
    }
    let plan = Plan::new(args.quick, args.measure.clone());
    let wanted = |contender: &Contender| args.only.is_empty() || args.only.contains(contender);
    let contenders: Vec<_> = Contender::ALL.into_iter().filter(wanted).collect();
    let mut all: Vec<Vec<Results>> = vec![Vec::new(); contenders.len()];
    for round in 0..args.rounds.max(1) {
        for (contender, results) in contenders.iter().zip(&mut all) {
            let (_other, address) = start(*contender, args)?;
            eprintln!("round {} of {}: {}", round + 1, args.rounds, contender.name());
            results.push(measured(*contender, args, address, &plan)?);
        }
    }
    let medians: Vec<_> = contenders
        .iter()
        .zip(&all)
        .map(|(contender, rounds)| (*contender, Results::median(rounds)))
        .collect();
    report::print(&medians, args);
    Ok(())
}

/// Binds this process, and the threads that it starts, to a processor.
fn stay_on(core: usize) -> Result<(), Failure> {
    let own = std::process::id().to_string();
    let bound = Command::new("taskset")
        .args(["-p", "-c", &core.to_string(), &own])
        .stdout(Stdio::null())
        .status()?;
    if bound.success() { Ok(()) } else { Err("taskset failed".into()) }
}

fn measured(
    contender: Contender,
    args: &Args,
    address: Multiaddr,
    plan: &Plan,
) -> Result<Results, Failure> {
    let (link, awake) = (args.transport, args.low_latency);
    args.threads.runtime()?.block_on(async move {
        match contender {
            Contender::Ours | Contender::OursWithoutStreams => {
                let streams = contender == Contender::Ours;
                measure::all(ours::Client::new(link, address, streams, awake).await?, plan).await
            }
            Contender::RequestResponse | Contender::RequestResponseLazy => {
                let lazy = contender == Contender::RequestResponseLazy;
                measure::all(request_response::Client::new(link, address, lazy).await?, plan).await
            }
            Contender::Raw => measure::all(raw::Client::new(link, address).await?, plan).await,
        }
    })
}
