//! Nodes as separate processes, driven through the command line as a user would.

mod agent;
mod command;
pub mod kills;
mod node;
mod proxy;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub use agent::Agent;
pub use command::CommandFailed;
pub use node::{Node, Options};
pub use proxy::Proxy;

/// The `peer` program that was built beside the running test or tool.
///
/// # Panics
/// If it was not built: `cargo build -p peer-node` builds it.
#[must_use]
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let found = own.ancestors().skip(1).map(|dir| dir.join("peer")).find(|path| path.is_file());
    found.expect("`peer` is not built: run `cargo build -p peer-node` first")
}

/// A command that runs `peer`, inside a network namespace if one is named: `ip netns exec` becomes the
/// program that it starts, so that the child is `peer` itself.
fn peer(namespace: Option<&str>) -> Command {
    let Some(namespace) = namespace else {
        return Command::new(program());
    };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program());
    command
}

/// Asks until the answer is yes; returns whether it was, in time. Real processes keep no virtual time.
pub fn eventually(within: Duration, mut ask: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + within;
    loop {
        if ask() {
            return true;
        }
        if std::time::Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}
