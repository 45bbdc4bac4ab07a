//! Asking and telling peers.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, in_millis, millis};
use crate::api::{Report, Talk};
use crate::mcp::Server;
use crate::mcp::content::{PeerWrote, stands, written};
use crate::mcp::failure::{Failed, taken_apart};

/// Who is asked, and what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct TalkAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// What to ask, at most 1 MiB.
    message: String,
    /// Any name; ties several messages to one conversation.
    conversation: Option<String>,
    /// How long to wait for the answer; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum Outcome {
    /// The peer's agent did it; `peer_wrote` is the answer.
    Answered,
    /// The peer's agent could not do it; `peer_wrote` says why.
    NotDone,
    /// No answer yet. The node goes on, and the answer will come to the inbox.
    Pending,
}

/// An answer, or why there is none yet.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct Talked {
    outcome: Outcome,
    /// The message's id, for message_status; an answer that comes later names it in in_reply_to.
    message_id: String,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
    /// Milliseconds from question to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<f64>,
    /// If pending: how far the message has come, and what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Who is told, and what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ReportAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// How things stand, in a line.
    status: String,
    /// What comes next, in a line.
    next_action: Option<String>,
    /// More to go with it, at most 1 MiB.
    content: Option<String>,
    /// How long to wait for the peer's node to have it on disk; 10 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// How far a report has come.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct ReportSent {
    /// The report's id, for message_status.
    message_id: String,
    /// `delivered` (on disk at the peer), `processed`, `received` (in memory there), `queued` (on disk here; sent
    /// when the peer can be reached), `sent` (perhaps arrived), `failed`, `expired`, `cancelled`, or `unknown`.
    status: &'static str,
    /// Why it has come no further: if it failed, the protocol's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
}

#[tool_router(router = talk_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Talk to a peer",
        description = "Ask another agent and wait for its answer. If none comes in time the message is not lost: \
                       the outcome is `pending`, and the answer comes to the inbox later.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        )
    )]
    async fn talk_to_peer(
        &self,
        Parameters(ask): Parameters<TalkAsk>,
    ) -> Result<Json<Talked>, Failed> {
        let asked = self
            .client
            .talk(&Talk {
                peer: ask.peer,
                content: written(ask.message)?,
                conversation: ask.conversation,
                timeout_ms: millis(ask.timeout_seconds)?,
                ttl_ms: None,
                volatile: false,
            })
            .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) => return pending(error.into()),
        };
        Ok(Json(Talked {
            outcome: if answer.done { Outcome::Answered } else { Outcome::NotDone },
            message_id: answer.message_id,
            from: Some(answer.entity.to_string()),
            peer_wrote: Some(PeerWrote::whole(answer.content)),
            round_trip_ms: Some(in_millis(answer.round_trip_us)),
            detail: None,
        }))
    }

    #[tool(
        title = "Report to a peer",
        description = "Tell another agent how things stand, without waiting for it. The peer may be away: the \
                       node keeps the report on disk and delivers it when it can.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        )
    )]
    async fn report_to_peer(
        &self,
        Parameters(ask): Parameters<ReportAsk>,
    ) -> Result<Json<ReportSent>, Failed> {
        let reported = self
            .client
            .report(&Report {
                peer: ask.peer,
                status: ask.status,
                next_action: ask.next_action,
                content: ask.content.map(written).transpose()?,
                timeout_ms: millis(Some(ask.timeout_seconds.unwrap_or(10)))?,
                wait: None,
                ttl_ms: None,
            })
            .await?;
        let status = reported.status.as_str();
        let (detail, peer_wrote) = stands(reported.status, reported.waits_for);
        Ok(Json(ReportSent { message_id: reported.message_id, status, detail, peer_wrote }))
    }
}

/// A message that is kept though its answer did not come in time is no failure.
fn pending(failed: Failed) -> Result<Json<Talked>, Failed> {
    let Failed(failure) = failed;
    let (own, peer_wrote) = taken_apart(&failure);
    match (failure.kind.as_str(), failure.message_id) {
        ("timeout", Some(message_id)) => Ok(Json(Talked {
            outcome: Outcome::Pending,
            message_id,
            from: None,
            peer_wrote,
            round_trip_ms: None,
            detail: Some(format!(
                "{own}. Do not ask again: read_inbox will have the answer, message_status tells how far the \
                 message has come"
            )),
        })),
        (_, message_id) => Err(Failed(crate::model::Failure { message_id, ..failure })),
    }
}
