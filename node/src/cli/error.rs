//! What ends a command early.

use std::io;

use crate::api::{ClientError, ServerError, TokenError};
use crate::config::ConfigError;
use crate::error::NodeError;
use crate::keystore::KeyError;
use crate::mcp::BadDirectory;
use crate::model::Failure;
use crate::paths::PathError;
use crate::trust_file::TrustFileError;

/// Why a command ends without a result.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Something to tell.
    Failure(Box<Failure>),
    /// Nobody reads the output any more; that is no failure (`peer peers | head -1`).
    PipeClosed,
}

impl CliError {
    pub(super) fn new(kind: &str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        let (kind, detail, next) = (kind.to_owned(), detail.into(), next.into());
        let failure =
            Failure { kind, code: None, message_id: None, detail, peer_wrote: None, next };
        Self::Failure(Box::new(failure))
    }

    /// The operating system refuses something that belongs to no data file.
    pub(super) fn system(doing: &str, error: &io::Error) -> Self {
        Self::new("system", format!("{doing}: {error}"), "see the reason, and try again")
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        error.to_failure().into()
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        error.into_failure().into()
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new("config", error.to_string(), error.next_step())
    }
}

impl From<KeyError> for CliError {
    fn from(error: KeyError) -> Self {
        Self::new(error.kind(), error.to_string(), error.next_step())
    }
}

impl From<PathError> for CliError {
    fn from(error: PathError) -> Self {
        Self::new(error.kind(), error.to_string(), error.next_step())
    }
}

impl From<TrustFileError> for CliError {
    fn from(error: TrustFileError) -> Self {
        Self::new("trust_file", error.to_string(), error.next_step())
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        let kind = match error {
            ServerError::InUse { .. } => "in_use",
            ServerError::InTheWay { .. } | ServerError::Unusable { .. } => "socket",
            ServerError::Port { .. } => "listen",
        };
        Self::new(kind, error.to_string(), error.next_step())
    }
}

impl From<TokenError> for CliError {
    fn from(error: TokenError) -> Self {
        Self::new("token", error.to_string(), error.next_step())
    }
}

impl From<BadDirectory> for CliError {
    fn from(error: BadDirectory) -> Self {
        let next =
            "name a directory that is there: `peer mcp --files <path>`, or `files` in `[mcp]`";
        Self::new("config", error.to_string(), next)
    }
}

/// Errors of writing to standard output.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::PipeClosed
        } else {
            Self::system("cannot write to standard output", &error)
        }
    }
}
