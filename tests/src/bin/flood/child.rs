//! Processes: started on a core of their own, read line by line, gone when dropped.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::Failure;

/// One of this program's roles in a process of its own.
pub(crate) struct Role {
    child: Child,
    /// None once it was handed over.
    said: Option<BufReader<ChildStdout>>,
    /// Some end when this is closed.
    _stdin: Option<ChildStdin>,
}

/// How a process runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Way {
    /// On this core only.
    pub(crate) core: Option<usize>,
    /// After everybody else.
    pub(crate) nice: bool,
    /// With so many MiB of data at most.
    pub(crate) memory: Option<u64>,
}

impl Role {
    pub(crate) fn start(
        way: Way,
        args: impl IntoIterator<Item = impl Into<OsString>>,
        log: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(core) = way.core {
            words.extend(["taskset".into(), "-c".into(), core.to_string().into()]);
        }
        if let Some(memory) = way.memory {
            let limit = format!("ulimit -d {} && exec \"$@\"", memory << 10);
            words.extend(["sh", "-c", &limit, "sh"].map(OsString::from));
        }
        if way.nice {
            words.extend(["nice", "-n", "19"].map(OsString::from));
        }
        words.push(std::env::current_exe()?.into());
        words.extend(args.into_iter().map(Into::into));
        let (program, args) = words.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(log) = log {
            command.stderr(File::create(log)?);
        }
        let mut child = command.spawn()?;
        let said = child.stdout.take().map(BufReader::new);
        let stdin = child.stdin.take();
        Ok(Self { child, said, _stdin: stdin })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The next line.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.said.as_mut().ok_or("somebody else reads it")?.read_line(&mut line)?;
        if line.is_empty() {
            return Err("a process said nothing more".into());
        }
        Ok(line.trim().to_owned())
    }

    /// The next thing that it tells.
    pub(crate) fn told<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<(), Failure> {
        self.child.wait()?;
        Ok(())
    }

    /// What it says from now on, for a thread of its own. It still goes when this is dropped.
    pub(crate) fn output(&mut self) -> Result<BufReader<ChildStdout>, Failure> {
        Ok(self.said.take().ok_or("somebody else reads it")?)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
