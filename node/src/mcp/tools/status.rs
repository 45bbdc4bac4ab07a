//! How far messages and files have come.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::FileTransfer;
use crate::api::ClientError;
use crate::cli::time;
use crate::mcp::Server;
use crate::mcp::content::{PeerWrote, stands};
use crate::mcp::failure::Failed;
use crate::model::{Direction, IdPrefix, Trace};

/// What to follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct StatusAsk {
    /// The id of a message or of a file's transfer, or its first four or more hexadecimal digits.
    message_id: String,
}

/// How far something has come: a message or a transfer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::mcp) struct StatusFound {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<FileTransfer>,
}

/// How far a message has come.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct MessageStatus {
    /// Its id.
    message_id: String,
    /// `sent` by this node, or `received`.
    direction: &'static str,
    /// The other side.
    peer: String,
    /// `task`, `status_report`, `wake_up`, `answer` or `file`.
    kind: &'static str,
    /// `queued` (on disk here, certainly not sent), `sent` (perhaps arrived), `received` (in the peer's memory),
    /// `delivered` (on disk at the peer), `processed` (the peer's agent took it), `expired`, `failed` (the peer
    /// refused it), `cancelled`, or `unknown` (nobody can tell what became of it).
    status: &'static str,
    /// Why it has come no further; if it failed, the protocol's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
    /// When it was accepted here, or came in.
    created: String,
    /// When the node gives up.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl From<Trace> for MessageStatus {
    fn from(trace: Trace) -> Self {
        let status = trace.status.as_str();
        let settled = trace.status.is_settled();
        let (detail, peer_wrote) = stands(trace.status, trace.waits_for);
        Self {
            message_id: trace.message_id,
            direction: match trace.direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
            },
            peer: trace.peer.to_string(),
            kind: trace.kind.as_str(),
            status,
            detail,
            peer_wrote,
            created: time(trace.created),
            expires: trace.expires.filter(|_| !settled).map(time),
        }
    }
}

#[tool_router(router = status_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Follow a message or a file",
        description = "Tell how far a message, or the transfer of a file, has come. Answers of peers come to \
                       the inbox, not here.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn message_status(
        &self,
        Parameters(ask): Parameters<StatusAsk>,
    ) -> Result<Json<StatusFound>, Failed> {
        let id: IdPrefix = ask.message_id.parse()?;
        let unknown = match self.client.trace(&id).await {
            Ok(trace) => {
                let message = Some(trace.into());
                return Ok(Json(StatusFound { message, ..StatusFound::default() }));
            }
            Err(ClientError::Failed(failure)) if failure.kind == "no_such_message" => failure,
            Err(error) => return Err(error.into()),
        };
        match self.client.transfer(&id).await {
            Ok(transfer) => {
                let transfer = Some(transfer.into());
                Ok(Json(StatusFound { transfer, ..StatusFound::default() }))
            }
            Err(ClientError::Failed(_)) => Err(Failed::from(unknown)),
            Err(error) => Err(error.into()),
        }
    }
}
