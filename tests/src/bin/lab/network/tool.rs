//! Running `ip` and `nft`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::finding::Finding;

/// Runs `program` with the words of `line`, and returns what it printed.
///
/// # Errors
/// [`Finding::Tool`] with what it said.
pub(crate) fn run(program: &str, line: &str) -> Result<String, Finding> {
    run_with(program, line, None)
}

/// The same with `input` on its standard input.
pub(crate) fn run_with(program: &str, line: &str, input: Option<&str>) -> Result<String, Finding> {
    let failed = |said: String| Finding::Tool { command: format!("{program} {line}"), said };
    let mut child = Command::new(program)
        .args(line.split_whitespace())
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
