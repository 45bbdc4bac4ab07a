//! Requests to the registry.

use axum::extract::State;

use super::Result;
use crate::api::extract::Json;
use crate::api::request::{self, Discover, Lookup, Register};
use crate::error::NodeError;
use crate::handle::Handle;
use crate::model::{DhtStatus, Discovered, Found, Registered};

pub(super) async fn register(
    State(node): State<Handle>,
    Json(ask): Json<Register>,
) -> Result<Registered> {
    let (add, remove) = (request::capabilities(&ask.add)?, request::capabilities(&ask.remove)?);
    Ok(axum::Json(node.register(add, remove).await?))
}

pub(super) async fn lookup(State(node): State<Handle>, Json(ask): Json<Lookup>) -> Result<Found> {
    let timeout = request::timeout(ask.timeout_ms)?;
    Ok(axum::Json(node.lookup(&ask.entity, ask.fresh, timeout).await?))
}

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

pub(super) async fn dht(State(node): State<Handle>) -> Result<DhtStatus> {
    Ok(axum::Json(node.dht().await?))
}
