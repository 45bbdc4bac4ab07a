//! `scripts/bench crypto`: what `protocol/src/crypto` does, in Rust alone and with AWS-LC. The backend is
//! chosen when a program is built, so there are two, of which one asks the other in turn.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod operation;
mod other;
mod table;

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use self::operation::Operation;
use self::other::Other;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Rounds unless the command line says otherwise.
const ROUNDS: usize = 7;

/// `--serve`, or `--pure PROGRAM [--rounds N] [FILTER]`.
#[derive(Default)]
struct Args {
    serves: bool,
    pure: Option<String>,
    rounds: Option<usize>,
    filter: Option<String>,
}

impl Args {
    fn parse() -> Result<Self, Failure> {
        let mut args = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--serve" => args.serves = true,
                "--pure" => args.pure = words.next(),
                "--rounds" => {
                    let rounds = words.next().and_then(|word| word.parse().ok());
                    args.rounds = Some(rounds.filter(|n| *n > 0).ok_or("--rounds takes a number")?);
                }
                word if word.starts_with('-') => return Err(format!("no option '{word}'").into()),
                _ if args.filter.is_some() => return Err("one filter at most".into()),
                _ => args.filter = Some(word),
            }
        }
        Ok(args)
    }
}

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let done = if args.serves { serve() } else { compare(&args) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Each line is the number of an operation; what is printed is its nanoseconds.
fn serve() -> Result<(), Failure> {
    let mut operations = operation::all();
    for line in std::io::stdin().lock().lines() {
        let place: usize = line?.trim().parse()?;
        let operation = operations.get_mut(place).ok_or("no such operation")?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", operation.nanoseconds())?;
        out.flush()?;
    }
    Ok(())
}

fn compare(args: &Args) -> Result<(), Failure> {
    let mut other = Other::start(args.pure.as_deref().ok_or("--pure names a program")?)?;
    let mut operations = operation::all();
    let wanted = |operation: &Operation| {
        args.filter.as_ref().is_none_or(|filter| operation.name.contains(filter.as_str()))
    };
    let mut times = vec![[Vec::new(), Vec::new()]; operations.len()];
    let rounds = args.rounds.unwrap_or(ROUNDS);
    for _ in 0..rounds {
        for (place, (operation, [pure, fast])) in operations.iter_mut().zip(&mut times).enumerate()
        {
            if wanted(operation) {
                pure.push(other.nanoseconds(place)?);
                fast.push(operation.nanoseconds());
            }
        }
    }
    println!(
        "one thread, medians of {rounds} rounds in turn, in brackets the least and the most\n"
    );
    table::print(operations.iter().zip(times).filter(|(operation, _)| wanted(operation)));
    Ok(())
}
