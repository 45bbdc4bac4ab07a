//! Why a scenario failed, or could not be played.

use std::io;
use std::time::Duration;

use peer_tests::processes::CommandFailed;
use thiserror::Error;

/// What went wrong.
#[derive(Debug, Error)]
pub(crate) enum Finding {
    /// A tool of the system refused.
    #[error("`{command}`: {said}")]
    Tool {
        /// The command line.
        command: String,
        /// What it said on standard error.
        said: String,
    },
    /// The system refused.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A node did not come up.
    #[error("{node} did not start: {said}")]
    Start {
        /// Its entity id.
        node: String,
        /// What it said.
        said: String,
    },
    /// A command of `peer` failed that should not have.
    #[error("{node}: peer {command}: {failed}")]
    Command {
        /// Whose node was asked.
        node: String,
        /// The arguments.
        command: String,
        /// How it ended.
        failed: CommandFailed,
    },
    /// Something did not happen in time.
    #[error("not within {within:?}: {what}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// Something is not as it should be.
    #[error("{what}: {found}")]
    Wrong {
        /// What should have been.
        what: String,
        /// What was there instead.
        found: String,
    },
    /// The program does not have the command or setting that the scenario is about.
    #[error("this build of `peer` has no {0}")]
    Missing(&'static str),
    /// The scenario itself broke down.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl Finding {
    /// For `map_err`: the system refused `action`.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

/// Fails with what was found if `fine` is false.
pub(crate) fn expect(
    fine: bool,
    what: &str,
    found: impl FnOnce() -> String,
) -> Result<(), Finding> {
    if fine { Ok(()) } else { Err(Finding::Wrong { what: what.to_owned(), found: found() }) }
}
