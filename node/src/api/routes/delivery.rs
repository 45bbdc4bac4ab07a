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

pub(super) async fn outbox(
    State(node): State<Handle>,
    Query(ask): Query<Outbox>,
) -> Result<Page<OutboxLine>> {
    Ok(axum::Json(node.outbox(ask.into()).await?))
}

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

pub(super) async fn cancel(State(node): State<Handle>, Id(id): Id) -> Result<OutboxLine> {
    Ok(axum::Json(node.cancel(&id).await?))
}

pub(super) async fn retry(State(node): State<Handle>, Id(id): Id) -> Result<OutboxLine> {
    Ok(axum::Json(node.retry(&id).await?))
}

pub(super) async fn retry_peer(
    State(node): State<Handle>,
    Json(ask): Json<RetryPeer>,
) -> Result<Retried> {
    Ok(axum::Json(node.retry_peer(&ask.peer).await?))
}

pub(super) async fn inbox(
    State(node): State<Handle>,
    Query(ask): Query<Inbox>,
) -> Result<Page<InboxLine>> {
    Ok(axum::Json(node.inbox(ask.into()).await?))
}

pub(super) async fn inbox_message(State(node): State<Handle>, Id(id): Id) -> Result<Incoming> {
    let shown = node.inbox_message(&id).await?;
    let content = crate::large::load(shown.content).await.ok_or_else(unreadable)?;
    Ok(axum::Json(Incoming { content, ..shown }))
}

fn unreadable() -> NodeError {
    NodeError::NotKept { reason: "the content of this message cannot be read".to_owned() }
}

pub(super) async fn acknowledge(
    State(node): State<Handle>,
    Json(ask): Json<Acknowledge>,
) -> Result<Acknowledged> {
    Ok(axum::Json(node.acknowledge(ask.ids).await?))
}

pub(super) async fn trace(State(node): State<Handle>, Id(id): Id) -> Result<Trace> {
    Ok(axum::Json(node.trace(&id).await?))
}
