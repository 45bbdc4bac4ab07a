//! `peer mcp`: the tools over standard input and output, one JSON-RPC message a line.

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::io::stdio_pipes;
use thiserror::Error;

use super::Server;

/// Why the conversation with the host broke off.
#[derive(Debug, Error)]
pub enum StdioError {
    /// It did not begin as the protocol says.
    #[error("the MCP host did not begin as the protocol says: {reason}")]
    Handshake {
        /// What came instead.
        reason: String,
    },
    /// The task that served it was lost.
    #[error("serving the MCP host failed: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
}

/// Serves until standard input ends.
///
/// # Errors
/// [`StdioError`].
pub async fn serve(server: Server) -> Result<(), StdioError> {
    let serving = match server.serve(stdio_pipes()).await {
        Ok(serving) => serving,
        // A host that only looks whether the program starts.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(StdioError::Handshake { reason: error.to_string() }),
    };
    let ended = serving.waiting().await;
    ended.map(drop).map_err(|error| StdioError::Lost { reason: error.to_string() })
}
