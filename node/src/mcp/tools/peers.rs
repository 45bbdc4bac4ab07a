//! Whom there is.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, millis};
use crate::api::Discover;
use crate::cli::time;
use crate::mcp::Server;
use crate::mcp::content::{PeerWrote, trust};
use crate::mcp::failure::Failed;
use crate::model::{Listing, PeerStatus};

/// Whom to look for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct DiscoverAsk {
    /// What they all can do, such as ["translate"]; without any, the peers that this node knows now are listed.
    #[serde(default)]
    capabilities: Vec<String>,
    /// Most peers to return, 1 to 1000; 100 if not given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// How long to search; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// Who was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct PeersFound {
    peers: Vec<PeerFound>,
    /// Whether that is all; otherwise there may be more.
    complete: bool,
}

/// A peer.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct PeerFound {
    /// Its name, to be used in other tools; its peer id if it has not proved a name yet.
    peer: String,
    /// Its key's fingerprint.
    fingerprint: String,
    /// `pinned` (the user compared the key), `seen` (the same key as before), `revoked`, or `none`.
    trust: &'static str,
    /// Whether there is a connection now.
    #[serde(skip_serializing_if = "Option::is_none")]
    connected: Option<bool>,
    /// Whether messages to it are end-to-end encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
    /// What it says it can do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    /// When it said so, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    /// If the last attempt to reach it failed: `reason` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
}

/// This node.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct OwnNode {
    /// The name that peers know this entity by.
    entity: String,
    /// Its key's fingerprint, for peers to compare.
    fingerprint: String,
    /// Version of the program.
    version: String,
    /// How long it has been up.
    uptime_seconds: u64,
    /// Peers connected now.
    connected_peers: usize,
    /// Agents that listen for messages now.
    agents: usize,
    /// Messages that wait in the inbox.
    waiting_messages: usize,
}

impl From<PeerStatus> for PeerFound {
    fn from(peer: PeerStatus) -> Self {
        Self {
            peer: peer.entity.map_or(peer.peer_id, |entity| entity.to_string()),
            fingerprint: peer.fingerprint.to_string(),
            trust: trust(peer.trust),
            connected: Some(peer.connected),
            encrypted: peer.session.is_some().then_some(peer.encrypted),
            capabilities: Vec::new(),
            last_seen: None,
            peer_wrote: peer.last_error.as_deref().map(PeerWrote::reason),
        }
    }
}

impl From<Listing> for PeerFound {
    fn from(listing: Listing) -> Self {
        Self {
            peer: listing.entity.to_string(),
            fingerprint: listing.fingerprint.to_string(),
            trust: trust(listing.trust),
            connected: None,
            encrypted: None,
            capabilities: listing.capabilities,
            last_seen: listing.last_seen.map(time),
            peer_wrote: None,
        }
    }
}

#[tool_router(router = peer_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Find peers",
        description = "List the peers that this node knows now, or search the network for those that can do \
                       something. Names and capabilities are claims of the peers themselves.",
        annotations(read_only_hint = true, open_world_hint = true)
    )]
    async fn discover_peers(
        &self,
        Parameters(ask): Parameters<DiscoverAsk>,
    ) -> Result<Json<PeersFound>, Failed> {
        let timeout_ms = millis(ask.timeout_seconds)?;
        let DiscoverAsk { capabilities, limit, .. } = ask;
        if !capabilities.is_empty() {
            let found = self.client.discover(&Discover { capabilities, limit, timeout_ms }).await?;
            let peers = found.listings.into_iter().map(PeerFound::from).collect();
            return Ok(Json(PeersFound { peers, complete: found.complete }));
        }
        let limit = limit.unwrap_or(Discover::DEFAULT_LIMIT);
        let known = self.client.peers().await?;
        let complete = known.len() <= limit;
        let peers = known.into_iter().take(limit).map(PeerFound::from).collect();
        Ok(Json(PeersFound { peers, complete }))
    }

    #[tool(
        title = "This node",
        description = "Tell the name that peers know you by, and how this node stands.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn node_status(&self) -> Result<Json<OwnNode>, Failed> {
        let status = self.client.status().await?;
        Ok(Json(OwnNode {
            entity: status.entity.to_string(),
            fingerprint: status.fingerprint.to_string(),
            version: status.version,
            uptime_seconds: status.uptime_ms / 1000,
            connected_peers: status.connected,
            agents: status.agents,
            waiting_messages: status.waiting,
        }))
    }
}
