//! Requests about the node itself.

use axum::extract::State;

use super::Result;
use crate::api::app::Shared;
use crate::handle::Handle;
use crate::model::{ApiStatus, SessionLine};

/// Where this API can be reached.
#[utoipa::path(
    get,
    path = "/v1/api",
    operation_id = "api",
    tag = "node",
    responses((status = 200, description = "Done", body = ApiStatus))
)]
pub(super) async fn api(State(shared): State<Shared>) -> Result<ApiStatus> {
    let listen = shared.listen.get().map(ToString::to_string);
    Ok(axum::Json(ApiStatus { listen }))
}

/// Sessions, and handshakes that would open one.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    operation_id = "sessions",
    tag = "peers",
    responses((status = 200, description = "Done", body = Vec<SessionLine>))
)]
pub(super) async fn sessions(State(node): State<Handle>) -> Result<Vec<SessionLine>> {
    Ok(axum::Json(node.sessions().await?))
}
