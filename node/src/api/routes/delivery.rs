//! Requests about messages that are kept: outbox, inbox, traces.

use axum::extract::State;

use super::Result;
use crate::api::extract::{Id, Json, Query};
use crate::api::request::{Acknowledge, Inbox, Outbox, RetryPeer};
use crate::error::NodeError;
use crate::handle::Handle;
use crate::model::{
    Acknowledged, InboxLine, Incoming, OutboxLine, OutboxMessage, Page, Retried, Trace,
};

/// What waits to be sent, and what was settled lately.
#[utoipa::path(
    get,
    path = "/v1/outbox",
    operation_id = "outbox",
    tag = "messages",
    params(Outbox),
    responses((status = 200, description = "Done", body = Page<OutboxLine>))
)]
pub(super) async fn outbox(
    State(node): State<Handle>,
    Query(ask): Query<Outbox>,
) -> Result<Page<OutboxLine>> {
    Ok(axum::Json(node.outbox(ask.into()).await?))
}

/// A message of the outbox, with what it says.
#[utoipa::path(
    get,
    path = "/v1/outbox/{id}",
    operation_id = "outbox_message",
    tag = "messages",
    params(("id" = String, Path, description = "A message's id, or its first four or more hexadecimal digits")),
    responses((status = 200, description = "Done", body = OutboxMessage))
)]
pub(super) async fn outbox_message(
    State(node): State<Handle>,
    Id(id): Id,
) -> Result<OutboxMessage> {
    let shown = node.outbox_message(&id).await?;
    let content = match shown.content {
        Some(content) => Some(crate::large::load(content).await.ok_or_else(unreadable)?),
        None => None,
    };
    Ok(axum::Json(OutboxMessage { content, ..shown }))
}

/// Sends a message no more.
#[utoipa::path(
    post,
    path = "/v1/outbox/{id}/cancel",
    operation_id = "cancel_message",
    tag = "messages",
    params(("id" = String, Path, description = "A message's id, or its first four or more hexadecimal digits")),
    responses((status = 200, description = "Done", body = OutboxLine))
)]
pub(super) async fn cancel(State(node): State<Handle>, Id(id): Id) -> Result<OutboxLine> {
    Ok(axum::Json(node.cancel(&id).await?))
}

/// Tries a message again at once.
#[utoipa::path(
    post,
    path = "/v1/outbox/{id}/retry",
    operation_id = "retry_message",
    tag = "messages",
    params(("id" = String, Path, description = "A message's id, or its first four or more hexadecimal digits")),
    responses((status = 200, description = "Done", body = OutboxLine))
)]
pub(super) async fn retry(State(node): State<Handle>, Id(id): Id) -> Result<OutboxLine> {
    Ok(axum::Json(node.retry(&id).await?))
}

/// Tries all that waits for a peer again at once.
#[utoipa::path(
    post,
    path = "/v1/outbox/retry",
    operation_id = "retry_peer",
    tag = "messages",
    request_body = RetryPeer,
    responses((status = 200, description = "Done", body = Retried))
)]
pub(super) async fn retry_peer(
    State(node): State<Handle>,
    Json(ask): Json<RetryPeer>,
) -> Result<Retried> {
    Ok(axum::Json(node.retry_peer(&ask.peer).await?))
}

/// What waits for the agent; looking at it hands nothing over.
#[utoipa::path(
    get,
    path = "/v1/inbox",
    operation_id = "inbox",
    tag = "messages",
    params(Inbox),
    responses((status = 200, description = "Done", body = Page<InboxLine>))
)]
pub(super) async fn inbox(
    State(node): State<Handle>,
    Query(ask): Query<Inbox>,
) -> Result<Page<InboxLine>> {
    Ok(axum::Json(node.inbox(ask.into()).await?))
}

/// A message of the inbox.
#[utoipa::path(
    get,
    path = "/v1/inbox/{id}",
    operation_id = "inbox_message",
    tag = "messages",
    params(("id" = String, Path, description = "A message's number in the inbox, such as n17, its id, or how that begins")),
    responses((status = 200, description = "Done", body = Incoming))
)]
pub(super) async fn inbox_message(State(node): State<Handle>, Id(id): Id) -> Result<Incoming> {
    let shown = node.inbox_message(&id).await?;
    let content = crate::large::load(shown.content).await.ok_or_else(unreadable)?;
    Ok(axum::Json(Incoming { content, ..shown }))
}

fn unreadable() -> NodeError {
    NodeError::NotKept { reason: "the content of this message cannot be read".to_owned() }
}

/// Tells that the agent took messages.
#[utoipa::path(
    post,
    path = "/v1/inbox/ack",
    operation_id = "acknowledge",
    tag = "messages",
    request_body = Acknowledge,
    responses((status = 200, description = "Done", body = Acknowledged))
)]
pub(super) async fn acknowledge(
    State(node): State<Handle>,
    Json(ask): Json<Acknowledge>,
) -> Result<Acknowledged> {
    Ok(axum::Json(node.acknowledge(ask.ids).await?))
}

/// The way of a message, as far as this node knows it.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/trace",
    operation_id = "trace",
    tag = "messages",
    params(("id" = String, Path, description = "A message's id, or its first four or more hexadecimal digits")),
    responses((status = 200, description = "Done", body = Trace))
)]
pub(super) async fn trace(State(node): State<Handle>, Id(id): Id) -> Result<Trace> {
    Ok(axum::Json(node.trace(&id).await?))
}
