//! What the `peer` program at hand can do, by its own help: a scenario about something that it lacks is
//! skipped, and says so.

use std::process::Command;

use peer_tests::processes::program;

/// The words of `peer --help` and of `peer run --help`.
#[derive(Debug)]
pub(crate) struct Build {
    commands: String,
    flags: String,
}

impl Build {
    /// Asks the program.
    pub(crate) fn ask() -> Self {
        let help = |args: &[&str]| {
            let output = Command::new(program()).args(args).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        Self {
            commands: help(&["--help"]).unwrap_or_default(),
            flags: help(&["run", "--help"]).unwrap_or_default(),
        }
    }

    /// Whether it has a command (`ping`) or a setting of `peer run` (`--mdns`).
    pub(crate) fn has(&self, what: &str) -> bool {
        let text = if what.starts_with("--") { &self.flags } else { &self.commands };
        text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == what)
    }
}
