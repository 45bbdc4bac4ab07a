//! `/mcp` on the node: the tools over streamable HTTP.

use std::sync::Arc;

use axum::Router;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::Server;

/// Longest request, in bytes: the longest text that a model may send, with escapes, and what goes around it.
pub const MAX_REQUEST_LEN: usize = 4 << 20;
/// Where the tools are.
pub const PATH: &str = "/mcp";

/// The tools at [`PATH`], without sessions: nothing is kept between two requests, so that neither memory nor a
/// restart of the node is anything to think of. A call whose connection breaks is cancelled.
///
/// Whoever mounts it checks token, `Host` and `Origin`: this does not.
pub fn router(server: Server) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_max_request_body_bytes(MAX_REQUEST_LEN)
        // The guard knows which hosts the operator allows.
        .disable_allowed_hosts();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    Router::new().route_service(PATH, service)
}
