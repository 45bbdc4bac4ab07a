//! A program that does its work and ends.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::process::{Group, read_tail};
use crate::wake::AdapterError;

/// How much of what it says is kept, in bytes.
const KEPT: usize = 4096;

/// Runs `program` with `arguments` and returns the end of its output. It and what it started are killed if
/// it does not end in time.
pub(super) async fn run(
    program: &Path,
    arguments: &[&OsStr],
    timeout: Duration,
) -> Result<String, AdapterError> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| AdapterError::NotStarted {
        reason: format!("{}: {error}", program.display()),
    })?;
    let mut group = Group::of(&child);
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let work = async {
        tokio::join!(
            read_tail::<KEPT>(output, &mut said),
            read_tail::<KEPT>(errors, &mut complained)
        );
        child.wait().await
    };
    let ended = tokio::time::timeout(timeout, work).await;
    let Ok(status) = ended else { return Err(AdapterError::TimedOut { after: timeout }) };
    group.let_go();
    let complaint = String::from_utf8_lossy(&complained).into_owned();
    match status {
        Ok(status) if status.success() => Ok(String::from_utf8_lossy(&said).into_owned()),
        Ok(status) => {
            tracing::warn!(program = %program.display(), %status, ?complaint, "failed");
            Err(AdapterError::Failed { status: status.to_string() })
        }
        Err(error) => Err(AdapterError::NotStarted { reason: error.to_string() }),
    }
}
