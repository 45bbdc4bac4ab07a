//! Requests about files.

use axum::extract::State;

use super::Result;
use crate::api::extract::{Id, Json};
use crate::api::request::{self, Send};
use crate::handle::Handle;
use crate::model::TransferStatus;

pub(super) async fn send(
    State(node): State<Handle>,
    Json(ask): Json<Send>,
) -> Result<TransferStatus> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let peer = ask.peer.clone();
    Ok(axum::Json(node.send_file(&peer, ask.file()?, timeout).await?))
}

pub(super) async fn list(State(node): State<Handle>) -> Result<Vec<TransferStatus>> {
    Ok(axum::Json(node.transfers().await?))
}

pub(super) async fn show(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.transfer(&id).await?))
}

pub(super) async fn cancel(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.cancel_transfer(&id).await?))
}

pub(super) async fn retry(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.retry_transfer(&id).await?))
}
