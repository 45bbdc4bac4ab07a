//! Where the server is, and the way there.

use std::net::SocketAddr;

use peer_contest::Failure;
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::certificates::NAME;

/// Room for four of the largest payloads, twice: no side waits for it.
pub(crate) const STREAM_WINDOW: u32 = 8 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;
/// Large payloads in few pieces.
pub(crate) const FRAME: u32 = 1 << 20;

/// What the server prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn line(&self) -> Result<String, Failure> {
        Ok(serde_json::to_string(self)?)
    }

    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        Ok(serde_json::from_str(line)?)
    }

    /// A new connection with a whole handshake: a configuration of its own resumes nothing.
    pub(crate) async fn connect(&self) -> Result<Channel, Failure> {
        let tls = ClientTlsConfig::new()
            .domain_name(NAME)
            .ca_certificate(Certificate::from_pem(&self.authority))
            .identity(Identity::from_pem(&self.certificate, &self.key));
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address))?
            .tls_config(tls)?
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME);
        Ok(endpoint.connect().await?)
    }
}
