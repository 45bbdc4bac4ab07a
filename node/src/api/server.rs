//! The socket that the local API listens on.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::router;
use crate::handle::Handle;

/// How long requests under way may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The local API, serving until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Why the local API cannot be served.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Another program answers there.
    #[error("another node serves the socket {}", socket.display())]
    InUse {
        /// The socket.
        socket: PathBuf,
    },
    /// Something that is no socket is in its place.
    #[error("{} is in the way: it is no socket", socket.display())]
    InTheWay {
        /// The path.
        socket: PathBuf,
    },
    /// It cannot be made.
    #[error("cannot open the socket {}: {reason}", socket.display())]
    Unusable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
}

impl ServerError {
    /// What to do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::InUse { .. } => {
                "use that node, stop it, or choose another directory: `--data-dir <path>`"
            }
            Self::InTheWay { .. } => "move it away",
            Self::Unusable { .. } => {
                "repair the permissions of the data directory, or choose another: `--data-dir <path>`"
            }
        }
    }
}

impl Server {
    /// Serves the node behind `handle` on a Unix socket at `socket`, mode 0600. The socket of a node
    /// that died is replaced; that of a live one is not. Whoever calls this should hold the
    /// [`DataLock`](crate::paths::DataLock) of the directory.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(socket: &Path, handle: Handle) -> Result<Self, ServerError> {
        check_place(socket).await?;
        let listener = bind_private(socket).map_err(|error| unusable(socket, &error))?;
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(listener, router(handle)).with_graceful_shutdown(async {
            // A sender that is gone means the same as one that spoke.
            let _ = stopped.await;
        });
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the local API has failed");
            }
        });
        Ok(Self { socket: socket.to_owned(), stop: Some(stop), task })
    }

    /// Stops taking requests, lets those under way end, and removes the socket.
    pub async fn stop(mut self) {
        self.stop = None;
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            tracing::debug!("requests to the local API were cut off");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // If it cannot be removed, the next start finds it stale and replaces it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn check_place(socket: &Path) -> Result<(), ServerError> {
    match std::fs::symlink_metadata(socket) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            return Err(ServerError::InTheWay { socket: socket.to_owned() });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(socket, &error)),
    }
    match UnixStream::connect(socket).await {
        Ok(_) => Err(ServerError::InUse { socket: socket.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(unusable(socket, &error)),
    }
}

/// Binds inside a directory that only the owner may enter, and moves the socket into place once its
/// mode is right: at no instant can anybody else connect. The move replaces a stale socket.
fn bind_private(socket: &Path) -> io::Result<UnixListener> {
    let nursery = socket.with_file_name(".api");
    let new = nursery.join("s");
    match DirBuilder::new().mode(0o700).create(&nursery) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Left over if a node died right here.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, socket)?;
    std::fs::remove_dir(&nursery)?;
    Ok(listener)
}

fn unusable(socket: &Path, error: &io::Error) -> ServerError {
    ServerError::Unusable { socket: socket.to_owned(), reason: error.to_string() }
}
