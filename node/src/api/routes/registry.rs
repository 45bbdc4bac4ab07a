//! Requests to the registry.

use axum::extract::State;

use super::Result;
use crate::api::extract::Json;
use crate::api::request::{self, Discover, Lookup, Register};
use crate::error::NodeError;
use crate::handle::Handle;
use crate::model::{DhtStatus, Discovered, Found, Registered};

/// Registers this entity anew.
#[utoipa::path(
    post,
    path = "/v1/register",
    operation_id = "register",
    tag = "registry",
    request_body = Register,
    responses((status = 200, description = "Done", body = Registered))
)]
pub(super) async fn register(
    State(node): State<Handle>,
    Json(ask): Json<Register>,
) -> Result<Registered> {
    let (add, remove) = (request::capabilities(&ask.add)?, request::capabilities(&ask.remove)?);
    Ok(axum::Json(node.register(add, remove).await?))
}

/// Looks an entity up.
#[utoipa::path(
    post,
    path = "/v1/lookup",
    operation_id = "lookup",
    tag = "registry",
    request_body = Lookup,
    responses((status = 200, description = "Done", body = Found))
)]
pub(super) async fn lookup(State(node): State<Handle>, Json(ask): Json<Lookup>) -> Result<Found> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.lookup(&ask.entity, ask.fresh, timeout).await?))
}

/// Searches for entities that have all of these capabilities.
#[utoipa::path(
    post,
    path = "/v1/discover",
    operation_id = "discover",
    tag = "registry",
    request_body = Discover,
    responses((status = 200, description = "Done", body = Discovered))
)]
pub(super) async fn discover(
    State(node): State<Handle>,
    Json(ask): Json<Discover>,
) -> Result<Discovered> {
    let (timeout, limit) = (request::timeout(ask.timeout_ms)?, ask.limit()?);
    let capabilities = request::capabilities(&ask.capabilities)?;
    if capabilities.is_empty() {
        let detail = "a search takes at least one capability".to_owned();
        return Err(NodeError::Invalid { detail }.into());
    }
    Ok(axum::Json(node.discover(capabilities, limit, timeout).await?))
}

/// How this node takes part in the registry.
#[utoipa::path(
    get,
    path = "/v1/dht",
    operation_id = "dht",
    tag = "registry",
    responses((status = 200, description = "Done", body = DhtStatus))
)]
pub(super) async fn dht(State(node): State<Handle>) -> Result<DhtStatus> {
    Ok(axum::Json(node.dht().await?))
}
