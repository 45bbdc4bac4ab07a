//! The face that measures.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::ValueEnum as _;

use crate::{Dial, Failure, Threads, Workload, measure};

/// The longest round, in milliseconds.
const LONGEST: u64 = 60_000;

/// The other side; it goes when this is dropped.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `serve`, has `dial` made of the line that it prints, and obeys the lines of the standard input
/// until it ends. `dial` is called in the runtime.
///
/// # Errors
/// If the other side or a round fails, or a line is not understood.
pub fn drive<D: Dial + Send + 'static>(
    threads: Threads,
    mut serve: Command,
    dial: impl AsyncFnOnce(&str) -> Result<D, Failure>,
) -> Result<(), Failure> {
    let mut child = serve.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the other side has no output")?;
    let other = Other(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let runtime = threads.runtime()?;
    let mut dial = runtime.block_on(dial(line.trim()))?;
    let id = other.0.id();
    for line in std::io::stdin().lock().lines() {
        let (workload, long) = parse(&line?)?;
        // A task, so that it runs where the other tasks of the runtime run.
        let round = runtime.spawn(async move {
            let measured = measure::round(&mut dial, workload, long, id).await;
            (dial, measured)
        });
        let (back, measured) = runtime.block_on(round)?;
        dial = back;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&measured?)?)?;
        out.flush()?;
    }
    Ok(())
}

/// `round WORKLOAD MILLISECONDS`.
fn parse(line: &str) -> Result<(Workload, Duration), Failure> {
    let mut words = line.split_whitespace();
    let (Some("round"), Some(name), Some(long), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("not understood: {line}").into());
    };
    let long = long.parse().ok().filter(|long| (1..=LONGEST).contains(long));
    let long = long.ok_or_else(|| format!("a round lasts 1 to {LONGEST} ms"))?;
    Ok((Workload::from_str(name, false)?, Duration::from_millis(long)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_a_workload_and_a_time() {
        for workload in Workload::ALL {
            let parsed = parse(&format!("round {workload} 250")).unwrap();
            assert_eq!(parsed, (workload, Duration::from_millis(250)));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "round",
            "round ask-64",
            "round ask-64 0",
            "round ask-64 60001",
            "round nothing 5",
            "rounds ask-64 5",
            "round ask-64 5 5",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
