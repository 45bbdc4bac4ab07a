//! A client of the local API.

mod delivery;
mod events;
mod registry;
mod transfers;
mod wake;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use super::{
    Alive, Connect, DEFAULT_TIMEOUT, Pin, Problem, Reply, Report, Restart, Revoke, Talk, Wake,
};
use crate::metrics::{self, Sample};
use crate::model::{
    Answer, ApiStatus, Failure, Life, LogTail, MailboxStatus, Netcheck, PeerStatus, Reported,
    Restarted, SessionLine, Status, TrustLine, Woken,
};
use crate::paths::DataDir;

pub use events::{EventStream, Messages, Told};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_LEN: usize = 96 << 20;
/// How much longer than the node a client waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Talks to the node that runs on a data directory. Each request takes its own connection.
#[derive(Debug, Clone)]
pub struct Client {
    root: PathBuf,
    socket: PathBuf,
}

/// Why a request got no good answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing answers on the socket.
    #[error("no node runs on {}", root.display())]
    NoNode {
        /// The data directory.
        root: PathBuf,
    },
    /// The socket cannot be opened.
    #[error("cannot open the socket {}: {reason}", socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// The node stopped before it answered.
    #[error("the node on {} has stopped", root.display())]
    Stopped {
        /// The data directory.
        root: PathBuf,
    },
    /// The node does not answer.
    #[error("the node on {} does not answer; waited {} s", root.display(), waited.as_secs())]
    Silent {
        /// The data directory.
        root: PathBuf,
        /// How long.
        waited: Duration,
    },
    /// The answer is none that this client understands.
    #[error("the answer of the node on {} makes no sense: {reason}", root.display())]
    Garbled {
        /// The data directory.
        root: PathBuf,
        /// Why.
        reason: String,
    },
    /// The node says no.
    #[error("{}", .0.detail)]
    Failed(Failure),
}

impl ClientError {
    /// The failure as plain data.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let detail = self.to_string();
        let (kind, next) = match self {
            Self::Failed(failure) => return failure,
            Self::NoNode { .. } => {
                ("no_node", "start one with `peer run`, or name its directory: `--data-dir <path>`")
            }
            Self::Socket { .. } => ("socket", "act as the user whose node it is"),
            Self::Stopped { .. } => ("stopped", "start it again: `peer run`"),
            Self::Silent { .. } => ("silent", "look into its log, and start it again"),
            Self::Garbled { .. } => {
                ("garbled", "check that command and node are of the same version: `peer status`")
            }
        };
        Failure {
            kind: kind.to_owned(),
            code: None,
            message_id: None,
            detail,
            peer_wrote: None,
            next: next.to_owned(),
        }
    }
}

impl Client {
    /// A client of the node on `dir`.
    #[must_use]
    pub fn new(dir: &DataDir) -> Self {
        Self { root: dir.root().to_owned(), socket: dir.socket() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new(), DEFAULT_TIMEOUT).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.garbled(&error))?;
        self.ask(Method::POST, path, body.into(), timeout + PATIENCE).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let asking = async {
            let answer = self.send(method, path, body, None).await?;
            let bytes = self.collect(answer).await?;
            serde_json::from_slice(&bytes).map_err(|error| self.garbled(&error))
        };
        let silent = |_| ClientError::Silent { root: self.root.clone(), waited: timeout };
        tokio::time::timeout(timeout, asking).await.map_err(silent)?
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        last_event: Option<&str>,
    ) -> Result<Response<Body>, ClientError> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    ClientError::NoNode { root: self.root.clone() }
                }
                _ => ClientError::Socket { socket: self.socket.clone(), reason: error.to_string() },
            })?;
        let stopped = |error: hyper::Error| {
            tracing::debug!(%error, "the connection to the node broke");
            ClientError::Stopped { root: self.root.clone() }
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(stopped)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the node ended");
            }
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json");
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.garbled(&error))?;
        let answer = sender.send_request(request).await.map_err(stopped)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let bytes = self.collect(answer).await?;
        let problem: Problem =
            serde_json::from_slice(&bytes).map_err(|error| self.garbled(&error))?;
        Err(ClientError::Failed(problem.into_failure()))
    }

    async fn collect(&self, answer: Response<Body>) -> Result<Bytes, ClientError> {
        let body = Limited::new(answer.into_body(), MAX_ANSWER_LEN).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<hyper::Error>() {
                ClientError::Stopped { root: self.root.clone() }
            } else {
                self.garbled(&error)
            }
        })
    }

    fn garbled(&self, error: &impl ToString) -> ClientError {
        ClientError::Garbled { root: self.root.clone(), reason: error.to_string() }
    }
}

fn wait(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis)
}

/// The requests.
///
/// # Errors
/// Each fails with a [`ClientError`].
#[expect(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Client {
    /// The node itself.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// Where its API can be reached besides the socket.
    pub async fn api(&self) -> Result<ApiStatus, ClientError> {
        self.get("/v1/api").await
    }

    /// The last lines of its log.
    pub async fn log(&self, lines: usize) -> Result<LogTail, ClientError> {
        self.get(&format!("/v1/log?lines={lines}")).await
    }

    /// How it stands in the network.
    pub async fn netcheck(&self) -> Result<Netcheck, ClientError> {
        self.get("/v1/netcheck").await
    }

    /// How its mailbox stands.
    pub async fn mailbox(&self) -> Result<MailboxStatus, ClientError> {
        self.get("/v1/mailbox").await
    }

    /// Has it look for messages and receipts at its mailbox nodes.
    pub async fn fetch_mail(&self) -> Result<MailboxStatus, ClientError> {
        self.post("/v1/mailbox/fetch", &(), DEFAULT_TIMEOUT).await
    }

    /// What it counts and measures; `not_found` if it serves none of that.
    pub async fn metrics(&self) -> Result<Vec<Sample>, ClientError> {
        let asking = async {
            let answer = self.send(Method::GET, metrics::PATH, Bytes::new(), None).await?;
            let bytes = self.collect(answer).await?;
            metrics::samples(&String::from_utf8_lossy(&bytes)).map_err(|error| self.garbled(&error))
        };
        let waited = DEFAULT_TIMEOUT;
        let silent = |_| ClientError::Silent { root: self.root.clone(), waited };
        tokio::time::timeout(waited, asking).await.map_err(silent)?
    }

    /// Its peers.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, ClientError> {
        self.get("/v1/peers").await
    }

    /// Its sessions.
    pub async fn sessions(&self) -> Result<Vec<SessionLine>, ClientError> {
        self.get("/v1/sessions").await
    }

    /// Dials an address and opens a session.
    pub async fn connect(&self, ask: &Connect) -> Result<PeerStatus, ClientError> {
        self.post("/v1/connect", ask, wait(ask.timeout_ms)).await
    }

    /// Asks a peer and waits for the answer.
    pub async fn talk(&self, ask: &Talk) -> Result<Answer, ClientError> {
        self.post("/v1/talk", ask, wait(ask.timeout_ms)).await
    }

    /// Tells a peer how things stand.
    pub async fn report(&self, ask: &Report) -> Result<Reported, ClientError> {
        self.post("/v1/report", ask, wait(ask.timeout_ms)).await
    }

    /// Asks whether a peer lives.
    pub async fn alive(&self, ask: &Alive) -> Result<Life, ClientError> {
        self.post("/v1/alive", ask, wait(ask.timeout_ms)).await
    }

    /// Asks a peer to wake its agent.
    pub async fn wake(&self, ask: &Wake) -> Result<Woken, ClientError> {
        self.post("/v1/wake", ask, wait(ask.timeout_ms)).await
    }

    /// Checks a peer and wakes its agent.
    pub async fn restart(&self, ask: &Restart) -> Result<Restarted, ClientError> {
        let attempts = ask.attempts.unwrap_or(Restart::DEFAULT_ATTEMPTS);
        let pauses = Duration::from_secs(30) * attempts;
        let waiting = wait(ask.timeout_ms) * attempts.saturating_add(1) + pauses;
        self.post("/v1/restart", ask, waiting).await
    }

    /// Answers a task.
    pub async fn answer(&self, ask: &Reply) -> Result<(), ClientError> {
        self.post("/v1/answer", ask, DEFAULT_TIMEOUT).await.map(|_: serde_json::Value| ())
    }

    /// The trust list.
    pub async fn trust(&self) -> Result<Vec<TrustLine>, ClientError> {
        self.get("/v1/trust").await
    }

    /// Pins an entity to a key.
    pub async fn pin(&self, ask: &Pin) -> Result<TrustLine, ClientError> {
        self.post("/v1/trust/pin", ask, DEFAULT_TIMEOUT).await
    }

    /// Revokes a key.
    pub async fn revoke(&self, ask: &Revoke) -> Result<Vec<TrustLine>, ClientError> {
        self.post("/v1/trust/revoke", ask, DEFAULT_TIMEOUT).await
    }

    /// Stops the node.
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        let grace = crate::config::MAX_SHUTDOWN_GRACE;
        self.post("/v1/shutdown", &(), grace).await.map(|_: serde_json::Value| ())
    }
}
