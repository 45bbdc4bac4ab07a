//! Requests about files.

use axum::extract::State;

use super::Result;
use crate::api::extract::{Id, Json};
use crate::api::request::{self, Send};
use crate::handle::Handle;
use crate::model::TransferStatus;

/// Sends a file of this machine.
#[utoipa::path(
    post,
    path = "/v1/transfers",
    operation_id = "send_file",
    tag = "transfers",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated under the same key, the request is not carried out again")),
    request_body = Send,
    responses((status = 200, description = "Done", body = TransferStatus))
)]
pub(super) async fn send(
    State(node): State<Handle>,
    Json(ask): Json<Send>,
) -> Result<TransferStatus> {
    let timeout = request::timeout(ask.timeout_ms)?;
    let peer = ask.peer.clone();
    Ok(axum::Json(node.send_file(&peer, ask.file()?, timeout).await?))
}

/// All transfers, those that ended lately included.
#[utoipa::path(
    get,
    path = "/v1/transfers",
    operation_id = "transfers",
    tag = "transfers",
    responses((status = 200, description = "Done", body = Vec<TransferStatus>))
)]
pub(super) async fn list(State(node): State<Handle>) -> Result<Vec<TransferStatus>> {
    Ok(axum::Json(node.transfers().await?))
}

/// One transfer.
#[utoipa::path(
    get,
    path = "/v1/transfers/{id}",
    operation_id = "transfer",
    tag = "transfers",
    params(("id" = String, Path, description = "A transfer's id, or its first four or more characters")),
    responses((status = 200, description = "Done", body = TransferStatus))
)]
pub(super) async fn show(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.transfer(&id).await?))
}

/// Gives a transfer up.
#[utoipa::path(
    post,
    path = "/v1/transfers/{id}/cancel",
    operation_id = "cancel_transfer",
    tag = "transfers",
    params(("id" = String, Path, description = "A transfer's id, or its first four or more characters")),
    responses((status = 200, description = "Done", body = TransferStatus))
)]
pub(super) async fn cancel(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.cancel_transfer(&id).await?))
}

/// Sends a file once more that failed or was cancelled.
#[utoipa::path(
    post,
    path = "/v1/transfers/{id}/retry",
    operation_id = "retry_transfer",
    tag = "transfers",
    params(("id" = String, Path, description = "A transfer's id, or its first four or more characters")),
    responses((status = 200, description = "Done", body = TransferStatus))
)]
pub(super) async fn retry(State(node): State<Handle>, Id(id): Id) -> Result<TransferStatus> {
    Ok(axum::Json(node.retry_transfer(&id).await?))
}
