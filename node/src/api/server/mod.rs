//! Where the local API listens: a Unix socket, and a loopback port if the operator wants one.

mod connections;
mod paced;
mod socket;
mod strangers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) use self::strangers::Shown;
use super::guard::Access;
use super::{App, Token};

/// How long requests under way may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The local API, serving until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    app: App,
    socket: PathBuf,
    stop: Option<watch::Sender<()>>,
    tasks: Vec<JoinHandle<()>>,
    events: JoinHandle<()>,
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
    /// The port cannot be had.
    #[error("the local API cannot listen on {address}: {reason}")]
    Port {
        /// The address.
        address: SocketAddr,
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
            Self::Port { .. } => "choose a free loopback port: `--api 127.0.0.1:<port>`",
        }
    }
}

impl Server {
    /// Serves `app` on a Unix socket at `socket`, mode 0600. The socket of a node that died is replaced;
    /// that of a live one is not. Whoever calls this should hold the
    /// [`DataLock`](crate::paths::DataLock) of the directory.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(socket: &Path, app: impl Into<App>) -> Result<Self, ServerError> {
        let app = app.into();
        let listener = socket::bind(socket).await?;
        let (stop, stopped) = watch::channel(());
        let router = app.router(Access::Socket);
        let limits = *app.limits();
        let task = tokio::spawn(connections::serve(listener, router, limits, None, stopped));
        let events = tokio::spawn(app.shared().take_down_events());
        let (socket, tasks) = (socket.to_owned(), vec![task]);
        Ok(Self { app, socket, stop: Some(stop), tasks, events })
    }

    /// Serves it on a loopback port too, to those who have `token`. Returns the address, which has a port
    /// of its own if that of `address` is 0.
    ///
    /// # Errors
    /// [`ServerError::Port`] if it is none of this machine alone, or cannot be had.
    pub async fn listen(
        &mut self,
        address: SocketAddr,
        token: Token,
    ) -> Result<SocketAddr, ServerError> {
        let refused = |reason: String| ServerError::Port { address, reason };
        if !address.ip().is_loopback() {
            return Err(refused("other machines could reach it there".to_owned()));
        }
        let Some(stop) = &self.stop else { return Err(refused("it has stopped".to_owned())) };
        let listener = TcpListener::bind(address).await.map_err(|it| refused(it.to_string()))?;
        let bound = listener.local_addr().map_err(|it| refused(it.to_string()))?;
        let listener = listener.tap_io(|stream| {
            // Without it answers are only slower.
            let _ = stream.set_nodelay(true);
        });
        let access = Access::Port { address: bound, token: Arc::new(token) };
        let router = self.app.router(access);
        let limits = *self.app.limits();
        self.tasks.push(tokio::spawn(connections::serve(
            listener,
            router,
            limits,
            Some(limits.strangers),
            stop.subscribe(),
        )));
        // If it listens at several ports, the first is told.
        let _ = self.app.shared().listen.set(bound);
        Ok(bound)
    }

    /// Stops taking requests, lets those under way end, and removes the socket.
    pub async fn stop(mut self) {
        self.stop = None;
        let ended = futures::future::join_all(&mut self.tasks);
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::debug!("requests to the local API were cut off");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.events.abort();
        // If it cannot be removed, the next start finds it stale and replaces it.
        let _ = std::fs::remove_file(&self.socket);
    }
}
