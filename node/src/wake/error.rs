//! Why an adapter could not do its work.

use std::time::Duration;

use thiserror::Error;

use crate::config::format_duration;

/// Why an adapter could not do its work. Peers are told this text: it names no path, no host and no output.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AdapterError {
    /// The program is not there, or may not be run.
    #[error("its program could not be started")]
    NotStarted {
        /// For the log.
        reason: String,
    },
    /// The program failed.
    #[error("its program failed ({status})")]
    Failed {
        /// Exit code or signal.
        status: String,
    },
    /// It took too long.
    #[error("it did not end within {}", format_duration(*after))]
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// A file that it needs cannot be read or written.
    #[error("a file that it needs could not be used")]
    File {
        /// For the log.
        reason: String,
    },
    /// Nobody took the request.
    #[error("the request could not be made")]
    Request {
        /// For the log.
        reason: String,
    },
    /// Whoever took the request refused it.
    #[error("the request was answered with status {status}")]
    Answer {
        /// The HTTP status.
        status: u16,
    },
}

impl AdapterError {
    /// What only the operator is told.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::NotStarted { reason } | Self::File { reason } | Self::Request { reason } => {
                reason
            }
            Self::Failed { .. } | Self::TimedOut { .. } | Self::Answer { .. } => "",
        }
    }
}
