//! Failures as a model is told them: what happened, to what, what next.

use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, MetaObject};
use serde_json::json;

use super::content::PeerWrote;
use super::visible::{clean, visible};
use crate::api::ClientError;
use crate::model::{BadMessageName, Failure};

/// Where a tool's error carries the failure as plain data.
const META_KEY: &str = "peer/failure";

/// Why a tool has no result: an error of the tool, which the model sees, not one of the protocol.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Failure);

impl Failed {
    pub(super) fn new(kind: &str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        let (kind, detail, next) = (kind.to_owned(), detail.into(), next.into());
        Self(Failure { kind, code: None, message_id: None, detail, peer_wrote: None, next })
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new("invalid", detail, "correct it and try again")
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let next = next_by_tools(&failure.kind).map_or(failure.next, str::to_owned);
        Self(Failure { next, ..failure })
    }
}

/// The failure's text in this node's own words, and what may be in those of the peer's node.
pub(super) fn taken_apart(failure: &Failure) -> (String, Option<PeerWrote>) {
    let Failure { detail, peer_wrote, .. } = failure;
    let Some(part) = peer_wrote.as_deref().filter(|part| !part.is_empty()) else {
        return (detail.clone(), None);
    };
    let own = match detail.rsplit_once(part) {
        Some((before, "")) => before.trim_end_matches(": ").to_owned(),
        Some((before, after)) => format!("{before}(peer_wrote){after}"),
        None => detail.clone(),
    };
    (own, Some(PeerWrote::reason(part)))
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        error.into_failure().into()
    }
}

impl From<BadMessageName> for Failed {
    fn from(error: BadMessageName) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The next step where a model has a tool for what people are told to do with a command.
fn next_by_tools(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "no_node" => {
            "tell the user: no node is running here; start one with `peer run` (or name its directory: \
             `peer mcp --data-dir <path>`), then call again"
        }
        "stopped" => "tell the user to start the node again with `peer run`, then call again",
        "unknown_peer" | "not_found" => {
            "check the name with discover_peers; a peer that nobody lists has to be dialled once by the \
             user: `peer connect <multiaddr>`"
        }
        "unreachable" => {
            "check_peer_alive tells when it is back; report_to_peer needs nobody there"
        }
        "timeout" => "check_peer_alive tells whether it is there; or allow more timeout_seconds",
        "no_such_task" => {
            "read_inbox lists the tasks that wait for an answer; a task is answered once"
        }
        "no_such_message" => {
            "read_inbox lists what waits here; what was settled long ago is forgotten"
        }
        "queue_full" => "wait until the peer takes messages; message_status follows one of them",
        _ => return None,
    })
}

impl IntoCallToolResult for Failed {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let Self(failure) = self;
        let (own, peer_wrote) = taken_apart(&failure);
        let peer_wrote = peer_wrote.and_then(|it| serde_json::to_value(it).ok()).map(|mut it| {
            clean(&mut it);
            it
        });
        let text = format!("{own} ({}). What next: {}", failure.kind, failure.next);
        let mut text = visible(&text).unwrap_or(text);
        if let Some(peer_wrote) = &peer_wrote {
            // As JSON it stays in its line, whatever it says.
            text.push('\n');
            text.push_str(&json!({ "peer_wrote": peer_wrote }).to_string());
        }
        let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
        let failure = Failure { detail: own, peer_wrote: None, ..failure };
        if let Ok(mut failure) = serde_json::to_value(failure) {
            clean(&mut failure);
            if let (Some(fields), Some(peer_wrote)) = (failure.as_object_mut(), peer_wrote) {
                fields.insert("peer_wrote".to_owned(), peer_wrote);
            }
            let mut meta = MetaObject::new();
            meta.insert(META_KEY.to_owned(), failure);
            result.meta = Some(meta);
        }
        Ok(result.into())
    }
}
