//! The gateway's port: so many connections, so much time for each request, and no more.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use peer_behaviours::Prefix;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// Bounds of connections and requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most connections.
    pub(super) connections: usize,
    /// Most of them from one network.
    pub(super) per_network: usize,
    /// Time for the head of a request, and between two requests.
    pub(super) head: Duration,
    /// Time for its body.
    pub(super) body: Duration,
    /// Time for the answer to a message: longer than links wait for something to say.
    pub(super) answer: Duration,
    /// Longest life of a connection.
    pub(super) connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_network: 64,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            connection: Duration::from_secs(600),
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From(pub(super) IpAddr);

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// Pause after a connection could not be accepted, such as for want of descriptors.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits) {
    let seats = Arc::new(Seats::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    // Whoever finds no seat is turned away at once.
                    if let Some(seat) = Seats::take(&seats, from.ip(), limits) {
                        let serving = connection(stream, from, router.clone(), limits);
                        connections.spawn(async move {
                            let _seat = seat;
                            serving.await;
                        });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the gateway cannot accept a connection");
                    tokio::time::sleep(AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, router: Router, limits: Limits) {
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(From(from.ip()));
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(limits.connection, serving).await {
        tracing::debug!(%from, %error, "a connection to the gateway failed");
    }
}

/// Connections that are open, by network.
#[derive(Debug, Default)]
struct Seats(Mutex<HashMap<Prefix, usize>>);

/// One connection.
struct Seat {
    seats: Arc<Seats>,
    network: Prefix,
}

impl Seats {
    fn take(seats: &Arc<Self>, from: IpAddr, limits: Limits) -> Option<Seat> {
        let network = Prefix::of_ip(from);
        let mut taken = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&network).copied().unwrap_or_default();
        if all >= limits.connections || own >= limits.per_network {
            return None;
        }
        taken.insert(network, own + 1);
        Some(Seat { seats: Arc::clone(seats), network })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.network);
            }
        }
    }
}
