//! What anybody may ask: who this is, whether it lives, who can be reached through it, what it has done.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use peer_protocol::error::ErrorCode;
use serde_json::{Value, json};

use super::State;
use super::answer::Trouble;
use super::listener::From;

type Answer = Result<axum::Json<Value>, Trouble>;

/// Whether the node lives, and whether an agent is there.
pub(super) async fn health(
    Shared(state): Shared<Arc<State>>,
    Extension(From(from)): Extension<From>,
) -> Answer {
    state.admit(from)?;
    let status = match state.node.handle() {
        Ok(node) => node.status().await.ok(),
        Err(_) => None,
    };
    let status = status.ok_or_else(stopped)?;
    Ok(axum::Json(json!({
        "status": "ok",
        "entity_id": status.entity,
        "version": "1.0",
        "agent": if status.agents > 0 { "attached" } else { "absent" },
        "uptime_ms": status.uptime_ms,
        "timestamp": state.clock.now().timestamp.as_millis() as f64 / 1000.0,
    })))
}

/// Who can be written to at this gateway: the node, and those to whom it passes on. Whom else it knows is
/// nobody's business.
pub(super) async fn peers(
    Shared(state): Shared<Arc<State>>,
    Extension(From(from)): Extension<From>,
) -> Answer {
    state.admit(from)?;
    let me = state.identity.entity();
    let own = json!({ "entity_id": me, "version": "1.1", "through": null });
    let others = state
        .forward
        .iter()
        .map(|entity| json!({ "entity_id": entity, "version": "1.1", "through": me }));
    let peers: Vec<_> = std::iter::once(own).chain(others).collect();
    Ok(axum::Json(json!({ "peers": peers })))
}

/// What the gateway has done since it was started.
pub(super) async fn stats(
    Shared(state): Shared<Arc<State>>,
    Extension(From(from)): Extension<From>,
) -> Answer {
    state.admit(from)?;
    let counts = &state.counts;
    let now = state.clock.now().timestamp.as_millis();
    Ok(axum::Json(json!({
        "uptime_ms": now.saturating_sub(state.started.as_millis()),
        "received": counts.received.get(),
        "taken": counts.taken.get(),
        "refused": counts.refused(),
        "sent": counts.sent.get(),
        "failed": counts.failed.get(),
        "forwarded": {
            "to_version_1_1": counts.inward.get(),
            "to_version_1_0": counts.outward.get(),
        },
    })))
}

/// The key that this node signs with.
pub(super) async fn public_key(
    Shared(state): Shared<Arc<State>>,
    Extension(From(from)): Extension<From>,
) -> Answer {
    state.admit(from)?;
    let me = &state.identity;
    Ok(axum::Json(json!({
        "entity_id": me.entity(),
        "public_key": hex::encode(me.public_key().as_bytes()),
        "algorithm": "Ed25519",
        "fingerprint": me.fingerprint(),
    })))
}

fn stopped() -> Trouble {
    Trouble {
        code: Some(ErrorCode::InvalidState),
        ..Trouble::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopped",
            "the node is shutting down".to_owned(),
            "try again later",
        )
    }
}
