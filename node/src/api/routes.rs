//! The requests, one handler each.

mod delivery;
mod messages;
mod node;
mod proof;
mod registry;
mod transfers;
mod waking;

use axum::Extension;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Problem;
use super::app::Shared;
use super::events;
use super::extract::{Json, Large};
use super::guard::Access;
use super::once::MessageKey;
use super::request::{self, Alive, Connect, Pin, Reply, Report, Restart, Revoke, Talk, Wake};
use super::{once, openapi};
use crate::config::dial_address;
use crate::error::NodeError;
use crate::handle::Handle;
use crate::model::{
    Answer, Content, Done, Life, MailboxStatus, Netcheck, PeerStatus, ReportOptions, Reported,
    Restarted, Status, TalkOptions, TrustLine, Woken,
};

type Result<T> = std::result::Result<axum::Json<T>, Problem>;

/// The requests of the local API, each with its description.
pub(super) fn router(shared: &Shared) -> OpenApiRouter<Shared> {
    // Those that have an effect elsewhere may be repeated.
    let once = from_fn_with_state(shared.clone(), once::carry_out);
    let repeatable = OpenApiRouter::new()
        .routes(routes!(talk))
        .routes(routes!(report))
        .routes(routes!(wake))
        .routes(routes!(restart))
        .routes(routes!(transfers::send))
        .route_layer(once);
    OpenApiRouter::with_openapi(openapi::head())
        .merge(repeatable)
        .routes(routes!(status))
        .routes(routes!(node::api))
        .routes(routes!(node::log))
        .routes(routes!(peers))
        .routes(routes!(node::sessions))
        .routes(routes!(connect))
        .routes(routes!(alive))
        .routes(routes!(waking::awake))
        .routes(routes!(waking::probe))
        .routes(routes!(messages::messages))
        .routes(routes!(events::events))
        .routes(routes!(delivery::trace))
        .routes(routes!(delivery::outbox))
        .routes(routes!(delivery::retry_peer))
        .routes(routes!(delivery::outbox_message))
        .routes(routes!(delivery::cancel))
        .routes(routes!(delivery::retry))
        .routes(routes!(delivery::inbox))
        .routes(routes!(delivery::acknowledge))
        .routes(routes!(delivery::inbox_message))
        .routes(routes!(answer))
        .routes(routes!(transfers::list))
        .routes(routes!(transfers::show))
        .routes(routes!(transfers::cancel))
        .routes(routes!(transfers::retry))
        .routes(routes!(trust))
        .routes(routes!(pin))
        .routes(routes!(revoke))
        .routes(routes!(netcheck))
        .routes(routes!(mailbox))
        .routes(routes!(fetch_mail))
        .routes(routes!(registry::register))
        .routes(routes!(registry::lookup))
        .routes(routes!(registry::discover))
        .routes(routes!(registry::dht))
        .routes(routes!(shutdown))
        .routes(routes!(openapi::document))
}

/// What clients may ask before they show the token.
pub(super) fn open(access: Access) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(proof::proof)).with_state(access)
}

/// The node itself.
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "status",
    tag = "node",
    responses((status = 200, description = "Done", body = Status))
)]
async fn status(State(node): State<Handle>) -> Result<Status> {
    Ok(axum::Json(node.status().await?))
}

/// How it stands in the network.
#[utoipa::path(
    get,
    path = "/v1/netcheck",
    operation_id = "netcheck",
    tag = "node",
    responses((status = 200, description = "Done", body = Netcheck))
)]
async fn netcheck(State(node): State<Handle>) -> Result<Netcheck> {
    Ok(axum::Json(node.netcheck().await?))
}

/// How its mailbox stands.
#[utoipa::path(
    get,
    path = "/v1/mailbox",
    operation_id = "mailbox",
    tag = "node",
    responses((status = 200, description = "Done", body = MailboxStatus))
)]
async fn mailbox(State(node): State<Handle>) -> Result<MailboxStatus> {
    Ok(axum::Json(node.mailbox().await?))
}

/// Looks for messages and receipts at the mailbox nodes now.
#[utoipa::path(
    post,
    path = "/v1/mailbox/fetch",
    operation_id = "fetch_mail",
    tag = "node",
    responses((status = 200, description = "Done", body = MailboxStatus))
)]
async fn fetch_mail(State(node): State<Handle>) -> Result<MailboxStatus> {
    Ok(axum::Json(node.fetch_mail().await?))
}

/// Connected peers, and those with a session.
#[utoipa::path(
    get,
    path = "/v1/peers",
    operation_id = "peers",
    tag = "peers",
    responses((status = 200, description = "Done", body = Vec<PeerStatus>))
)]
async fn peers(State(node): State<Handle>) -> Result<Vec<PeerStatus>> {
    Ok(axum::Json(node.peers().await?))
}

/// Dials an address and opens a session.
#[utoipa::path(
    post,
    path = "/v1/connect",
    operation_id = "connect",
    tag = "peers",
    request_body = Connect,
    responses((status = 200, description = "Done", body = PeerStatus))
)]
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

/// Asks a peer, and waits for the answer.
#[utoipa::path(
    post,
    path = "/v1/talk",
    operation_id = "talk",
    tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated under the same key, the request is not carried out again")),
    request_body = Talk,
    responses((status = 200, description = "Done", body = Answer))
)]
async fn talk(
    State(node): State<Handle>,
    once: Option<Extension<MessageKey>>,
    Large(ask): Large<Talk>,
) -> Result<Answer> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let content = request::content(ask.content)?;
    let options = TalkOptions { ttl: request::ttl(ask.ttl_ms), volatile: ask.volatile, timeout };
    let id = once.map(|Extension(MessageKey(id))| id);
    let answer = node.talk_once(id, &ask.peer, content, ask.conversation, options);
    Ok(axum::Json(answer.await?))
}

/// Tells a peer how things stand.
#[utoipa::path(
    post,
    path = "/v1/report",
    operation_id = "report",
    tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated under the same key, the request is not carried out again")),
    request_body = Report,
    responses((status = 200, description = "Done", body = Reported))
)]
async fn report(
    State(node): State<Handle>,
    once: Option<Extension<MessageKey>>,
    Large(ask): Large<Report>,
) -> Result<Reported> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let content = match ask.content {
        Some(content) => request::content(content)?,
        None => Content { text: Some(String::new()), ..Content::default() },
    };
    let wait = ask.wait.unwrap_or_default();
    let options = ReportOptions { ttl: request::ttl(ask.ttl_ms), wait, timeout };
    let id = once.map(|Extension(MessageKey(id))| id);
    let report = (ask.status, ask.next_action, content);
    Ok(axum::Json(node.report_once(id, &ask.peer, report, options).await?))
}

/// Asks whether a peer lives, its node and its agent.
#[utoipa::path(
    post,
    path = "/v1/alive",
    operation_id = "alive",
    tag = "peers",
    request_body = Alive,
    responses((status = 200, description = "Done", body = Life))
)]
async fn alive(State(node): State<Handle>, Json(ask): Json<Alive>) -> Result<Life> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.alive(&ask.peer, timeout).await?))
}

/// Asks a peer to wake its agent.
#[utoipa::path(
    post,
    path = "/v1/wake",
    operation_id = "wake",
    tag = "peers",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated under the same key, the request is not carried out again")),
    request_body = Wake,
    responses((status = 200, description = "Done", body = Woken))
)]
async fn wake(State(node): State<Handle>, Json(ask): Json<Wake>) -> Result<Woken> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.wake(&ask.peer, ask.reason.unwrap_or_default(), timeout).await?))
}

/// Checks a peer, and wakes its agent with several attempts.
#[utoipa::path(
    post,
    path = "/v1/restart",
    operation_id = "restart",
    tag = "peers",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated under the same key, the request is not carried out again")),
    request_body = Restart,
    responses((status = 200, description = "Done", body = Restarted))
)]
async fn restart(State(node): State<Handle>, Json(ask): Json<Restart>) -> Result<Restarted> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let attempts = ask.attempts()?;
    let reason = ask.reason.unwrap_or_default();
    Ok(axum::Json(node.restart(&ask.peer, reason, attempts, timeout).await?))
}

/// Answers a task that came in, which acknowledges it.
#[utoipa::path(
    post,
    path = "/v1/answer",
    operation_id = "answer",
    tag = "messages",
    request_body = Reply,
    responses((status = 200, description = "Done", body = Done))
)]
async fn answer(State(node): State<Handle>, Large(ask): Large<Reply>) -> Result<Done> {
    let content = request::content(ask.content)?;
    node.answer(&ask.message_id, content, ask.done).await?;
    Ok(axum::Json(Done {}))
}

/// The trust list.
#[utoipa::path(
    get,
    path = "/v1/trust",
    operation_id = "trust",
    tag = "trust",
    responses((status = 200, description = "Done", body = Vec<TrustLine>))
)]
async fn trust(State(node): State<Handle>) -> Result<Vec<TrustLine>> {
    Ok(axum::Json(node.trust_list().await?))
}

/// Pins an entity to a key whose fingerprint was compared.
#[utoipa::path(
    post,
    path = "/v1/trust/pin",
    operation_id = "pin",
    tag = "trust",
    request_body = Pin,
    responses((status = 200, description = "Done", body = TrustLine))
)]
async fn pin(State(node): State<Handle>, Json(ask): Json<Pin>) -> Result<TrustLine> {
    Ok(axum::Json(node.pin(ask.entity, ask.fingerprint).await?))
}

/// Revokes a key, and closes its sessions.
#[utoipa::path(
    post,
    path = "/v1/trust/revoke",
    operation_id = "revoke",
    tag = "trust",
    request_body = Revoke,
    responses((status = 200, description = "Done", body = Vec<TrustLine>))
)]
async fn revoke(State(node): State<Handle>, Json(ask): Json<Revoke>) -> Result<Vec<TrustLine>> {
    Ok(axum::Json(node.revoke(&ask.who).await?))
}

/// Stops the node; answers once it has stopped.
#[utoipa::path(
    post,
    path = "/v1/shutdown",
    operation_id = "shutdown",
    tag = "node",
    responses((status = 200, description = "Done", body = Done))
)]
async fn shutdown(State(node): State<Handle>) -> Result<Done> {
    node.shutdown().await;
    Ok(axum::Json(Done {}))
}

pub(super) async fn not_found(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is no {method} {}", uri.path()),
        "compare the path with the list of requests in the documentation",
    )
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} takes no {method}", uri.path()),
        "use GET to read and POST to act",
    )
}
