//! Requests about the node itself.

use axum::extract::State;

use super::Result;
use crate::api::app::Shared;
use crate::api::extract::Query;
use crate::api::request::{Log, invalid};
use crate::handle::Handle;
use crate::model::{ApiStatus, LogTail, SessionLine};
use crate::telemetry::recent;

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

/// The last lines of the node's log.
#[utoipa::path(
    get,
    path = "/v1/log",
    operation_id = "log",
    tag = "node",
    params(Log),
    responses((status = 200, description = "Done", body = LogTail))
)]
pub(super) async fn log(Query(ask): Query<Log>) -> Result<LogTail> {
    let count = ask.lines.unwrap_or(100);
    if !(1..=recent::MAX_LINES).contains(&count) {
        let most = recent::MAX_LINES;
        return Err(invalid(&format!("{count} lines: expected 1 to {most}")).into());
    }
    Ok(axum::Json(LogTail { lines: recent::last(count) }))
}
