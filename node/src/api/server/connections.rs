//! Taking connections, each within its bounds.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::paced::Paced;
use super::strangers::{Shown, Strangers};
use crate::api::Limits;

/// Most bytes of one connection that are read ahead; a head may have as many.
const MAX_BUFFER: usize = 64 << 10;
/// What a connection hears for which there is no room.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    connection: close\r\n\r\n";
const BUSY_BODY: &str = "{\"type\":\"urn:peer:busy\",\"title\":\"busy\",\"status\":503,\
    \"detail\":\"no more connections to the local API can be open at once\",\
    \"next\":\"close some that are not needed, and try again in a moment\"}";

/// Serves connections until `stop` says so, or its sender is gone; then those that are open until
/// their requests have ended. Of those that have not shown the token there are at most `strangers`; without a
/// number all are the operator's.
pub(super) async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    limits: Limits,
    strangers: Option<usize>,
    mut stop: watch::Receiver<()>,
) {
    let mut strangers = strangers.map(Strangers::new);
    let mut connections = JoinSet::new();
    loop {
        let (mut io, _) = tokio::select! {
            // Whether told or left alone, it stops.
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let full = connections.len() >= limits.connections;
        if full || strangers.as_mut().is_some_and(Strangers::is_full) {
            if !strangers.as_mut().is_some_and(Strangers::close_oldest) {
                // A new connection has room for that; if not, it is just closed.
                let _ = io.write_all(&[BUSY.as_bytes(), BUSY_BODY.as_bytes()].concat()).await;
                continue;
            }
            // That one, if no other ends before.
            connections.join_next().await;
        }
        let shown = Shown::default();
        let connection = serve_one(io, router.clone(), limits, shown.clone(), stop.clone());
        let task = connections.spawn(connection);
        if let Some(strangers) = &mut strangers {
            strangers.add(shown, task);
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_one(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    limits: Limits,
    shown: Shown,
    mut stop: watch::Receiver<()>,
) {
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        request.map(Body::new)
    });
    let io = Paced::new(io, limits.write);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the local API ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Problem;

    #[test]
    fn who_is_turned_away_hears_why() {
        let problem: Problem = serde_json::from_str(BUSY_BODY).unwrap();
        assert_eq!((problem.status, problem.into_failure().kind.as_str()), (503, "busy"));
    }
}
