//! A unit of systemd that is the agent.
//!
//! The nonce is in files that only the owner may read, in `wake` below the data directory: variables that
//! `systemctl set-environment` sets would be seen by every other unit.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::program;
use crate::private_file;
use crate::wake::AdapterError;
use crate::wake::runner::Start;

/// A unit, and how it is started.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) unit: String,
    pub(super) user: bool,
    pub(super) program: PathBuf,
}

/// Files that are gone with this value.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            // The nonce in it is worth nothing any more.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Starts the unit, or restarts it if its agent is stuck. The files stay until it is decided whether the agent
/// is awake.
pub(super) async fn run(unit: &Unit, start: Start) -> Result<(), AdapterError> {
    let Start { call, timeout, replaces, data_dir, mut verdict, .. } = start;
    let files = match data_dir {
        Some(dir) => {
            let dir = dir.join("wake");
            let (json, name) = (call.json(), unit.unit.clone());
            // For EnvironmentFile=: hexadecimal digits need no quotes.
            let variables = format!("PEER_WAKE_NONCE={}\n", call.nonce).into_bytes();
            let written =
                tokio::task::spawn_blocking(move || write(&dir, &name, &variables, &json));
            let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            written.map_err(|error| AdapterError::File { reason: error.to_string() })?
        }
        None => Files(Vec::new()),
    };
    let mut arguments: Vec<&OsStr> = Vec::new();
    if unit.user {
        arguments.push("--user".as_ref());
    }
    let verb = if replaces { "restart" } else { "start" };
    for argument in ["--no-ask-password", verb, "--", &unit.unit] {
        arguments.push(argument.as_ref());
    }
    program::run(&unit.program, &arguments, timeout).await?;
    verdict.release().await;
    drop(files);
    Ok(())
}

fn write(dir: &Path, unit: &str, variables: &[u8], json: &[u8]) -> io::Result<Files> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let mut files = Files(Vec::new());
    for (end, bytes) in [("env", variables), ("json", json)] {
        let path = dir.join(format!("{unit}.{end}"));
        private_file::replace(&path, bytes)?;
        files.0.push(path);
    }
    Ok(files)
}
