//! Requests about the node itself.

use axum::extract::State;

use super::Result;
use crate::api::app::Shared;
use crate::model::ApiStatus;

pub(super) async fn api(State(shared): State<Shared>) -> Result<ApiStatus> {
    let listen = shared.listen.get().map(ToString::to_string);
    Ok(axum::Json(ApiStatus { listen }))
}
