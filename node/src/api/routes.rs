//! The requests, one handler each.

mod delivery;
mod registry;
mod transfers;
mod wake;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio_stream::wrappers::ReceiverStream;

use super::Problem;
use super::extract::{Json, Query};
use super::request::{
    self, Alive, Connect, Pin, Reply, Report, Restart, Revoke, Subscription, Talk, Wake,
};
use crate::config::dial_address;
use crate::error::NodeError;
use crate::handle::Handle;
use crate::model::{
    Answer, Content, Life, MailboxStatus, Netcheck, PeerStatus, ReportOptions, Reported, Restarted,
    Status, TalkOptions, TrustLine, Woken,
};

/// How often a silent event stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Result<T> = std::result::Result<axum::Json<T>, Problem>;

/// The local API of the node behind `handle`.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/peers", get(peers))
        .route("/v1/connect", post(connect))
        .route("/v1/talk", post(talk))
        .route("/v1/report", post(report))
        .route("/v1/alive", post(alive))
        .route("/v1/wake", post(wake_up))
        .route("/v1/restart", post(restart))
        .route("/v1/awake", post(wake::awake))
        .route("/v1/probe", post(wake::probe))
        .route("/v1/messages", get(messages))
        .route("/v1/messages/{id}/trace", get(delivery::trace))
        .route("/v1/outbox", get(delivery::outbox))
        .route("/v1/outbox/retry", post(delivery::retry_peer))
        .route("/v1/outbox/{id}", get(delivery::outbox_message))
        .route("/v1/outbox/{id}/cancel", post(delivery::cancel))
        .route("/v1/outbox/{id}/retry", post(delivery::retry))
        .route("/v1/inbox", get(delivery::inbox))
        .route("/v1/inbox/ack", post(delivery::acknowledge))
        .route("/v1/inbox/{id}", get(delivery::inbox_message))
        .route("/v1/answer", post(answer))
        .route("/v1/transfers", get(transfers::list).post(transfers::send))
        .route("/v1/transfers/{id}", get(transfers::show))
        .route("/v1/transfers/{id}/cancel", post(transfers::cancel))
        .route("/v1/transfers/{id}/retry", post(transfers::retry))
        .route("/v1/trust", get(trust))
        .route("/v1/trust/pin", post(pin))
        .route("/v1/trust/revoke", post(revoke))
        .route("/v1/netcheck", get(netcheck))
        .route("/v1/mailbox", get(mailbox))
        .route("/v1/mailbox/fetch", post(fetch_mail))
        .route("/v1/register", post(registry::register))
        .route("/v1/lookup", post(registry::lookup))
        .route("/v1/discover", post(registry::discover))
        .route("/v1/dht", get(registry::dht))
        .route("/v1/shutdown", post(shutdown))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(handle)
}

async fn status(State(node): State<Handle>) -> Result<Status> {
    Ok(axum::Json(node.status().await?))
}

async fn netcheck(State(node): State<Handle>) -> Result<Netcheck> {
    Ok(axum::Json(node.netcheck().await?))
}

async fn mailbox(State(node): State<Handle>) -> Result<MailboxStatus> {
    Ok(axum::Json(node.mailbox().await?))
}

async fn fetch_mail(State(node): State<Handle>) -> Result<MailboxStatus> {
    Ok(axum::Json(node.fetch_mail().await?))
}

async fn peers(State(node): State<Handle>) -> Result<Vec<PeerStatus>> {
    Ok(axum::Json(node.peers().await?))
}

async fn connect(State(node): State<Handle>, Json(ask): Json<Connect>) -> Result<PeerStatus> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let address = dial_address(&ask.address)
        .map_err(|error| NodeError::BadAddress { address: error.address, reason: error.reason })?;
    let connected = tokio::time::timeout(timeout, node.connect(address)).await;
    let connected = connected.map_err(|_| NodeError::Timeout {
        peer: ask.address,
        waited: timeout,
        progress: "the node is still trying".to_owned(),
    })?;
    Ok(axum::Json(connected?))
}

async fn talk(State(node): State<Handle>, Json(ask): Json<Talk>) -> Result<Answer> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let content = request::content(ask.content)?;
    let options = TalkOptions { ttl: request::ttl(ask.ttl_ms), volatile: ask.volatile, timeout };
    Ok(axum::Json(node.talk(&ask.peer, content, ask.conversation, options).await?))
}

async fn report(State(node): State<Handle>, Json(ask): Json<Report>) -> Result<Reported> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let content = match ask.content {
        Some(content) => request::content(content)?,
        None => Content { text: Some(String::new()), ..Content::default() },
    };
    let wait = ask.wait.unwrap_or_default();
    let options = ReportOptions { ttl: request::ttl(ask.ttl_ms), wait, timeout };
    let reported = node.report(&ask.peer, ask.status, ask.next_action, content, options);
    Ok(axum::Json(reported.await?))
}

async fn alive(State(node): State<Handle>, Json(ask): Json<Alive>) -> Result<Life> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.alive(&ask.peer, timeout).await?))
}

async fn wake_up(State(node): State<Handle>, Json(ask): Json<Wake>) -> Result<Woken> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.wake(&ask.peer, ask.reason.unwrap_or_default(), timeout).await?))
}

async fn restart(State(node): State<Handle>, Json(ask): Json<Restart>) -> Result<Restarted> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let attempts = ask.attempts()?;
    let reason = ask.reason.unwrap_or_default();
    Ok(axum::Json(node.restart(&ask.peer, reason, attempts, timeout).await?))
}

async fn messages(
    State(node): State<Handle>,
    Query(ask): Query<Subscription>,
) -> std::result::Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>, Problem> {
    let incoming =
        ReceiverStream::new(node.attach(ask.limit, wake::kind(ask.agent.as_deref())?).await?);
    // Plain data always becomes JSON; should it not, the message is left out of the stream.
    let events = incoming.filter_map(|message| async move {
        Event::default().event("message").json_data(message).ok().map(Ok)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")))
}

async fn answer(State(node): State<Handle>, Json(ask): Json<Reply>) -> Result<Value> {
    let content = request::content(ask.content)?;
    node.answer(&ask.message_id, content, ask.done).await?;
    Ok(axum::Json(json!({})))
}

async fn trust(State(node): State<Handle>) -> Result<Vec<TrustLine>> {
    Ok(axum::Json(node.trust_list().await?))
}

async fn pin(State(node): State<Handle>, Json(ask): Json<Pin>) -> Result<TrustLine> {
    Ok(axum::Json(node.pin(ask.entity, ask.fingerprint).await?))
}

async fn revoke(State(node): State<Handle>, Json(ask): Json<Revoke>) -> Result<Vec<TrustLine>> {
    Ok(axum::Json(node.revoke(&ask.who).await?))
}

async fn shutdown(State(node): State<Handle>) -> Result<Value> {
    node.shutdown().await;
    Ok(axum::Json(json!({})))
}

async fn not_found(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no {method} {}", uri.path()),
        "compare the path with the list of requests in the documentation",
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} takes no {method}", uri.path()),
        "use GET to read and POST to act",
    )
}
