//! `/metrics` on the node.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE as TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, http};

use super::Metrics;

/// Where the measurements are.
pub const PATH: &str = "/metrics";
/// How they are written.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The measurements at [`PATH`]. Whoever mounts it checks token, `Host` and `Origin`: this does not.
pub fn router(metrics: Metrics) -> Router {
    Router::new().route(PATH, get(scrape)).with_state(metrics)
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    let head = [(TYPE, CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
    (http::StatusCode::OK, head, metrics.text())
}
