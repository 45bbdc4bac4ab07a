//! What is served: the API's own requests and those of other faces, behind one guard.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use peer_protocol::identity::Fingerprint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::events::Log;
use super::guard::{self, Access, Guard};
use super::once::Table;
use super::{Problem, openapi, routes};
use crate::handle::Handle;

/// How much of a node's memory and time its clients may take; each place that it listens at has that
/// much of its own, but for `streams`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at once; one more is turned away.
    pub connections: usize,
    /// Most of them over TCP that have not shown the token yet; for one more the oldest of them is closed.
    pub strangers: usize,
    /// Most streams of events at once.
    pub streams: usize,
    /// How long a connection may take to send the head of a request, and be silent between two.
    pub head: Duration,
    /// How long a request's body may be waited for, all pauses together.
    pub body: Duration,
    /// How long a connection may take nothing of what it is sent.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            strangers: 64,
            streams: 64,
            head: Duration::from_secs(15),
            body: Duration::from_secs(60),
            write: Duration::from_secs(30),
        }
    }
}

/// The local API and the faces mounted beside it. Whatever is mounted is behind the guard: requests with
/// the name of another host or from a foreign page are refused, those over TCP without the token too, and
/// bodies are at most [`MAX_BODY_LEN`](super::MAX_BODY_LEN) bytes that come in time.
#[derive(Debug, Clone)]
pub struct App {
    shared: Shared,
    limits: Limits,
    mounted: Router,
    public: Router,
}

/// What requests share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    node: Handle,
    streams: Arc<Semaphore>,
    events: Arc<Log>,
    once: Arc<Table>,
    /// The node's own, once it was asked for.
    fingerprint: Arc<OnceLock<Fingerprint>>,
    /// Where the API listens besides its socket.
    pub(super) listen: Arc<OnceLock<SocketAddr>>,
}

impl App {
    /// The local API of the node behind `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self::with_limits(handle, Limits::default())
    }

    /// The same within other limits.
    #[must_use]
    pub fn with_limits(handle: Handle, limits: Limits) -> Self {
        let shared = Shared {
            node: handle,
            streams: Arc::new(Semaphore::new(limits.streams)),
            events: Arc::new(Log::new()),
            once: Arc::default(),
            fingerprint: Arc::default(),
            listen: Arc::default(),
        };
        Self { shared, limits, mounted: Router::new(), public: Router::new() }
    }

    /// Adds requests of another face, whose paths are its own and which has no fallback.
    #[must_use]
    pub fn mount(mut self, router: Router) -> Self {
        self.mounted = self.mounted.merge(router);
        self
    }

    /// The same for what anybody on this machine may see without a token: files of a page, and of the node
    /// only what it signs for everybody.
    #[must_use]
    pub fn mount_public(mut self, router: Router) -> Self {
        self.public = self.public.merge(router);
        self
    }

    /// All of it, for a program that serves it itself: whoever reaches it may do everything, as at the Unix
    /// socket. Events are not taken down.
    pub fn into_router(self) -> Router {
        self.router(Access::Socket)
    }

    /// All of it, for requests over `access`.
    pub(super) fn router(&self, access: Access) -> Router {
        let guard = Guard { access: access.clone(), body_time: self.limits.body };
        let (requests, mut document) = routes::router(&self.shared).split_for_parts();
        let (open, described) = routes::open(access.clone()).split_for_parts();
        document.merge(described);
        let guarded = requests
            .layer(Extension(openapi::complete(document)))
            .with_state(self.shared.clone())
            .merge(self.mounted.clone())
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .layer(from_fn_with_state(access, guard::check_token));
        let public =
            self.public.clone().merge(open).method_not_allowed_fallback(routes::method_not_allowed);
        guarded.merge(public).layer(from_fn_with_state(guard, guard::check))
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl From<Handle> for App {
    fn from(handle: Handle) -> Self {
        Self::new(handle)
    }
}

impl Shared {
    /// The node's own fingerprint; none once it has stopped.
    pub(super) async fn fingerprint(&self) -> Option<Fingerprint> {
        if let Some(own) = self.fingerprint.get() {
            return Some(*own);
        }
        let own = self.node.status().await.ok()?.fingerprint;
        Some(*self.fingerprint.get_or_init(|| own))
    }

    pub(super) const fn once(&self) -> &Arc<Table> {
        &self.once
    }

    pub(super) const fn events(&self) -> &Arc<Log> {
        &self.events
    }

    /// Takes down what happens in the node, until it has stopped.
    pub(super) fn take_down_events(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.events).take_down(self.node.clone())
    }

    /// A place for one more stream of events, taken until it is dropped.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Box<Problem>> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Box::new(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "no more streams of events can be open at once".to_owned(),
                "close one that is not needed, and try again",
            ))
        })
    }
}

impl FromRef<Shared> for Handle {
    fn from_ref(shared: &Shared) -> Self {
        shared.node.clone()
    }
}
