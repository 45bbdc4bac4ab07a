//! Sending files.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, millis};
use crate::api;
use crate::mcp::Server;
use crate::mcp::content::PeerWrote;
use crate::mcp::failure::Failed;
use crate::mcp::files::Found;
use crate::model::TransferStatus;

/// Which file goes to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct SendAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// The file, below a directory that the user opened to this tool; a relative path begins there.
    path: String,
    /// The name that the peer is told; that of the path if not given.
    name: Option<String>,
    /// Its media type.
    content_type: Option<String>,
    /// How long to look for the peer; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// How a file's transfer stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct FileTransfer {
    /// The transfer's id, for message_status.
    pub(super) transfer_id: String,
    /// `queued`, `hashing`, `offered`, `running`, `verifying`, `complete` (on disk at the receiver, whole),
    /// `cancelled` or `failed`.
    pub(super) state: &'static str,
    /// The other side.
    peer: String,
    /// The file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Bytes in it.
    size: u64,
    /// Bytes that have come so far.
    done: u64,
    /// Why it failed, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
}

impl From<TransferStatus> for FileTransfer {
    fn from(transfer: TransferStatus) -> Self {
        // With a code it is the other side that refused.
        let (detail, peer_wrote) = match (transfer.code, transfer.detail) {
            (Some(code), said) => (Some(code.to_string()), said.as_deref().map(PeerWrote::reason)),
            (None, detail) => (detail, None),
        };
        Self {
            transfer_id: transfer.id,
            state: transfer.state.as_str(),
            peer: transfer.peer.to_string(),
            name: transfer.name,
            size: transfer.size,
            done: transfer.done,
            detail,
            peer_wrote,
        }
    }
}

#[tool_router(router = file_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Send a file",
        description = "Send a file of this machine to a peer. Returns at once; the transfer goes on in the \
                       background, and message_status follows it. Send only what the user wants sent.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        )
    )]
    async fn send_file(
        &self,
        Parameters(ask): Parameters<SendAsk>,
    ) -> Result<Json<FileTransfer>, Failed> {
        let Found { path, root } = self.files.find(&ask.path)?;
        let sent = self
            .client
            .send_file(&api::Send {
                peer: ask.peer,
                path,
                root: Some(root),
                name: ask.name,
                content_type: ask.content_type,
                spooled: false,
                timeout_ms: millis(ask.timeout_seconds)?,
            })
            .await?;
        Ok(Json(sent.into()))
    }
}
