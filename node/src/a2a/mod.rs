//! Agent2Agent 1.0 and 0.3: clients of it reach agents behind peers, and peers an agent that speaks it
//! (`docs/a2a.md`).
//!
//! | request | what |
//! |---|---|
//! | `GET /.well-known/agent-card.json` | this node's card, signed with its key; no token needed |
//! | `POST /a2a` | JSON-RPC to the agent behind this node, if `[a2a] agent` names one |
//! | `POST /a2a/{peer}` | JSON-RPC to the agent behind another entity, by whatever means it listens |
//! | `GET /a2a/{peer}/.well-known/agent-card.json` | its card, made from what is known of it |

mod agent;
mod bridge;
mod card;
mod clock;
mod content;
mod face;
mod fault;
mod jcs;
mod old;
mod routes;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use axum::Router;
use thiserror::Error;

pub use self::card::CardSigner;

use self::agent::Agent;
use self::face::Face;
use crate::config::A2aConfig;
use crate::handle::Handle;

/// The HTTP client for the local agent could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the A2A agent cannot be asked: {reason}")]
pub struct A2aError {
    /// Why.
    pub reason: String,
}

/// The requests of this face.
#[derive(Debug)]
pub struct Routers {
    /// Those that need the token.
    pub guarded: Router,
    /// The node's own card.
    pub public: Router,
}

/// Starts the face of the node behind `handle`, and hands what peers ask to the local agent, if there is
/// one; both until the node has stopped. `capabilities` are told where the registry is off.
///
/// # Errors
/// [`A2aError`] if no HTTP client can be made.
pub fn start(
    handle: &Handle,
    config: &A2aConfig,
    signer: CardSigner,
    capabilities: Vec<String>,
) -> Result<Routers, A2aError> {
    let agent = config.agent.clone().map(Agent::new).transpose();
    let agent = agent.map_err(|error| A2aError { reason: error.to_string() })?.map(Arc::new);
    if let Some(agent) = &agent {
        tokio::spawn(bridge::run(handle.clone(), Arc::clone(agent)));
    }
    let face = Arc::new(Face::new(handle.clone(), agent, signer, capabilities));
    tokio::spawn(Arc::clone(&face).follow());
    Ok(Routers { guarded: routes::router(Arc::clone(&face)), public: routes::public(face) })
}
