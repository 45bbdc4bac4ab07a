//! A contestant's two processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use peer_contest::{Failure, Measured, Workload};

use crate::contestant::Contestant;

/// How much longer than it should a round may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The process that measures; its child is the other side. They go when this is dropped.
pub(crate) struct Pair {
    contestant: Contestant,
    child: Child,
    lines: Option<ChildStdin>,
    results: Receiver<String>,
}

impl Pair {
    pub(crate) fn start(mut command: Command, contestant: Contestant) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        let (told, results) = sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { contestant, child, lines: Some(stdin), results })
    }

    /// The process that measures.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Does `workload` for about `long`.
    pub(crate) fn round(
        &mut self,
        workload: Workload,
        long: Duration,
    ) -> Result<Measured, Failure> {
        let failed = |why: &str| format!("{} at {workload}: {why}", self.contestant);
        let mut lines = self.lines.as_ref().ok_or_else(|| failed("no input"))?;
        writeln!(lines, "round {workload} {}", long.as_millis())
            .map_err(|error| failed(&error.to_string()))?;
        let line = self.results.recv_timeout(long * 4 + PATIENCE).map_err(|_| failed("silent"))?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Pair {
    /// Without input it ends by itself, and its child with it.
    fn drop(&mut self) {
        drop(self.lines.take());
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
