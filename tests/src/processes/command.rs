//! Running one command of the `peer` program.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command may take longer; one that does is stopped and counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that did not exit with 0.
#[derive(Debug, Clone)]
pub struct CommandFailed {
    /// Its exit code; `None` if it had to be stopped.
    pub code: Option<i32>,
    /// What it said: a JSON document in most cases.
    pub output: String,
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit code {code}: {}", self.output.trim()),
            None => write!(f, "did not end: {}", self.output.trim()),
        }
    }
}

/// Runs `peer --data-dir DIR --json ARGS` and reads its JSON.
pub(super) fn run(
    namespace: Option<&str>,
    dir: &Path,
    args: &[&str],
) -> Result<Value, CommandFailed> {
    let mut child = super::peer(namespace)
        .args(["--json", "--data-dir"])
        .arg(dir)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`peer` starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        text
    });
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let output = reader.join().unwrap_or_default();
    let errors = errors.join().unwrap_or_default();
    let failed = |code| CommandFailed { code, output: format!("{output}{errors}") };
    match status {
        Some(status) if status.success() => {
            serde_json::from_str(&output).map_err(|_| failed(status.code()))
        }
        Some(status) => Err(failed(status.code())),
        None => Err(failed(None)),
    }
}
