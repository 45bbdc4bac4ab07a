//! Requests about the node itself.

use axum::extract::State;

use super::Result;
use crate::api::app::Shared;
use crate::handle::Handle;
use crate::model::{ApiStatus, SessionLine};

pub(super) async fn api(State(shared): State<Shared>) -> Result<ApiStatus> {
    let listen = shared.listen.get().map(ToString::to_string);
    Ok(axum::Json(ApiStatus { listen }))
}

pub(super) async fn sessions(State(node): State<Handle>) -> Result<Vec<SessionLine>> {
    Ok(axum::Json(node.sessions().await?))
}
