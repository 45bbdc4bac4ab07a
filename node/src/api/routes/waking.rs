//! What a woken agent says, and agents that are asked whether they are there.

use std::time::Duration;

use axum::extract::State;

use super::Result;
use crate::api::extract::Json;
use crate::api::request::{Awake, Probe, Probed};
use crate::error::NodeError;
use crate::handle::{AgentKind, Handle};
use crate::model::Awoken;
use crate::wake::AgentKey;

/// How long a request waits for a question.
const WAIT: Duration = Duration::from_secs(20);

/// Gives back the nonce with which the agent was woken: it is awake.
#[utoipa::path(
    post,
    path = "/v1/awake",
    operation_id = "awake",
    tag = "messages",
    request_body = Awake,
    responses((status = 200, description = "Done", body = Awoken))
)]
pub(super) async fn awake(State(node): State<Handle>, Json(ask): Json<Awake>) -> Result<Awoken> {
    Ok(axum::Json(node.awake(&ask.nonce).await?))
}

/// Waits to be asked whether the agent is there, and answers the last question. Whoever takes messages under a
/// name is to have one such request open at all times.
#[utoipa::path(
    post,
    path = "/v1/probe",
    operation_id = "probe",
    tag = "messages",
    request_body = Probe,
    responses((status = 200, description = "A question, or none for a while", body = Probed))
)]
pub(super) async fn probe(State(node): State<Handle>, Json(ask): Json<Probe>) -> Result<Probed> {
    let probe = node.probe(agent(&ask.agent)?, ask.answer, WAIT).await?;
    Ok(axum::Json(Probed { probe }))
}

/// What a subscriber to messages is: one that can be asked whether it is there if it has said under which name.
pub(super) fn kind(name: Option<&str>) -> std::result::Result<AgentKind, NodeError> {
    name.map_or(Ok(AgentKind::Client), |name| agent(name).map(AgentKind::Probed))
}

fn agent(name: &str) -> std::result::Result<AgentKey, NodeError> {
    name.parse().map_err(|_| NodeError::Invalid {
        detail: "the name of an agent is 32 hexadecimal digits, chosen at random".to_owned(),
    })
}
