//! A program that is the agent, or starts it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::process::{Group, read_tail};
use crate::wake::AdapterError;
use crate::wake::runner::{Start, Verdict};

/// How much of its output goes to the log, in bytes of each kind.
const KEPT: usize = 4096;
/// How long output may still come once it has ended; something that it started may hold the pipe forever.
const LINGER: Duration = Duration::from_millis(200);

/// Runs `command` until it ends. Unless its agent proves in time to be awake, it is killed with all that it
/// started in its process group; if it does, it goes on for as long as it likes.
pub(super) async fn run(command: &[String], start: Start) -> Result<(), AdapterError> {
    let Start { call, data_dir, mut verdict, timeout, .. } = start;
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).envs(call.environment());
    if let Some(dir) = data_dir {
        command.env("PEER_DATA_DIR", dir);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| AdapterError::NotStarted { reason: format!("{program}: {error}") })?;
    let mut group = Group::of(&child);
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let result = {
        let streams = async {
            let feeding = async {
                if let Some(mut input) = input {
                    // A program that does not read its input is free to.
                    let _ = input.write_all(&call.json()).await;
                }
            };
            tokio::join!(
                feeding,
                read_tail::<KEPT>(output, &mut said),
                read_tail::<KEPT>(errors, &mut complained)
            );
        };
        let attending = attend(&mut child, &mut group, &mut verdict);
        tokio::pin!(streams, attending);
        let mut flowing = true;
        loop {
            tokio::select! {
                () = &mut streams, if flowing => flowing = false,
                ended = &mut attending => {
                    if flowing {
                        let _ = tokio::time::timeout(LINGER, &mut streams).await;
                    }
                    break ended;
                }
            }
        }
    };
    let (said, complained) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&complained));
    tracing::info!(output = ?said, errors = ?complained, "what the wake-up started has ended");
    match result {
        Ended::Status(Ok(status)) if status.success() => {
            // What it left behind may be the agent, or about to be.
            if group.is_there() && !verdict.release().await {
                return Err(AdapterError::TimedOut { after: timeout });
            }
            group.let_go();
            Ok(())
        }
        Ended::Status(Ok(status)) => Err(AdapterError::Failed { status: status.to_string() }),
        Ended::Status(Err(error)) => Err(AdapterError::NotStarted { reason: error.to_string() }),
        Ended::Stopped => Err(AdapterError::TimedOut { after: timeout }),
    }
}

enum Ended {
    Status(std::io::Result<ExitStatus>),
    Stopped,
}

/// Waits until it ends, or is stopped: for want of a proof, or later because it is stuck.
async fn attend(child: &mut Child, group: &mut Group, verdict: &mut Verdict) -> Ended {
    tokio::select! {
        status = child.wait() => return Ended::Status(status),
        released = verdict.release() => if released {
            group.spare();
        } else {
            group.kill();
            let _ = child.wait().await;
            return Ended::Stopped;
        }
    }
    tokio::select! {
        status = child.wait() => Ended::Status(status),
        () = verdict.stop() => {
            group.kill();
            let _ = child.wait().await;
            Ended::Stopped
        }
    }
}
