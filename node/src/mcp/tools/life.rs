//! Whether peers are there, and waking their agents.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, in_millis, millis};
use crate::api::{Alive, Restart, Wake};
use crate::mcp::Server;
use crate::mcp::content::{PeerWrote, apart};
use crate::mcp::failure::Failed;
use crate::model::{AgentState, Life, RestartAttempt, WakeResult};

/// Who is checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct AliveAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// How long to wait for it; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// Whether a node answers.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum NodeLife {
    /// It answered.
    Alive,
    /// It did not answer; whether it runs cannot be told.
    NoAnswer,
}

/// Whether an agent is attached to a node.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum AgentLife {
    /// One listens for messages now.
    Attached,
    /// None listens now. Messages wait in its inbox.
    NoneAttached,
    /// One listens, but did not answer its node in time.
    Unresponsive,
    /// One listens that cannot be asked whether it is there.
    AttachedCannotBeAsked,
    /// Cannot be told: its node did not answer.
    Unknown,
}

/// Whether a peer is there: its node and its agent are told apart.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct PeerLife {
    node: NodeLife,
    agent: AgentLife,
    /// The peer's entity id, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// Seconds since its agent last did anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_idle_seconds: Option<u64>,
    /// Milliseconds to the peer and back.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<f64>,
    /// How it was reached: direct, hole-punched, relayed, or over hops.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// That there was no answer; `peer_wrote` may say why.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
}

/// Who is woken, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct WakeAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// Why, for its agent to read.
    reason: Option<String>,
    /// How long to wait for its node; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// What came of a wake-up.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct WakeDone {
    /// Whether an agent was told.
    woken: bool,
    /// `awake` (its agent proved it), `handed_to_agent` (it was told), `no_agent`, or `refused`.
    outcome: &'static str,
    /// What the peer's node says of that.
    peer_wrote: PeerWrote,
    /// Milliseconds to the peer and back.
    round_trip_ms: f64,
}

/// Who is restarted, and how often that is tried.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct RestartAsk {
    /// The peer: entity id such as `bob`, fingerprint, peer id or multiaddress.
    peer: String,
    /// Why, for its agent to read.
    reason: Option<String>,
    /// Most attempts; 3 if not given.
    #[schemars(range(min = 1, max = 20))]
    attempts: Option<u32>,
    /// How long to wait for each answer; 30 if not given.
    #[schemars(range(min = 1, max = MAX_WAIT))]
    timeout_seconds: Option<u32>,
}

/// What came of a restart.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct RestartDone {
    /// Whether its agent is attached, or was told to go on.
    ok: bool,
    /// What the check before found.
    before: PeerLife,
    /// The attempts, in order; none if the agent was there already.
    attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct Attempt {
    /// Counts from 1.
    attempt: u32,
    /// Whether an agent was told.
    woken: bool,
    /// `awake` (its agent proved it), `handed_to_agent` (it was told), `no_agent`, `refused`, or `failed` (its
    /// node was not heard).
    outcome: &'static str,
    /// If it failed: what happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_wrote: Option<PeerWrote>,
}

impl From<RestartAttempt> for Attempt {
    fn from(made: RestartAttempt) -> Self {
        let (detail, peer_wrote) = match made.outcome {
            WakeResult::Failed => {
                let (own, why) = apart(&made.detail);
                (Some(own), why)
            }
            WakeResult::Awake
            | WakeResult::HandedToAgent
            | WakeResult::NoAgent
            | WakeResult::Refused => (None, Some(PeerWrote::reason(&made.detail))),
        };
        let outcome = made.outcome.as_str();
        Self { attempt: made.attempt, woken: made.woken, outcome, detail, peer_wrote }
    }
}

impl From<Life> for PeerLife {
    fn from(life: Life) -> Self {
        let (detail, peer_wrote) = life.error.as_deref().map(apart).unzip();
        Self {
            node: if life.alive { NodeLife::Alive } else { NodeLife::NoAnswer },
            agent: match (life.alive, life.agent_state) {
                (true, Some(AgentState::Attached)) => AgentLife::Attached,
                (true, Some(AgentState::Absent)) => AgentLife::NoneAttached,
                (true, Some(AgentState::Unresponsive)) => AgentLife::Unresponsive,
                (true, Some(AgentState::Unknown)) => AgentLife::AttachedCannotBeAsked,
                (true, None) if life.agent => AgentLife::Attached,
                (true, None) => AgentLife::NoneAttached,
                (false, _) => AgentLife::Unknown,
            },
            peer: life.entity.map(|entity| entity.to_string()),
            agent_idle_seconds: life.agent_idle_ms.map(|idle| idle / 1000),
            round_trip_ms: life.round_trip_us.map(in_millis),
            path: life.path.map(|path| path.to_string()),
            detail,
            peer_wrote: peer_wrote.flatten(),
        }
    }
}

#[tool_router(router = life_tools, vis = "pub(in crate::mcp)")]
impl Server {
    #[tool(
        title = "Check whether a peer is there",
        description = "Check whether a peer's node answers, and whether an agent is attached to it.",
        annotations(read_only_hint = true, open_world_hint = true)
    )]
    async fn check_peer_alive(
        &self,
        Parameters(ask): Parameters<AliveAsk>,
    ) -> Result<Json<PeerLife>, Failed> {
        let ask = Alive { peer: ask.peer, timeout_ms: millis(ask.timeout_seconds)? };
        Ok(Json(self.client.alive(&ask).await?.into()))
    }

    #[tool(
        title = "Wake a peer's agent",
        description = "Ask a peer's node to wake its agent, so that it goes on with its work.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn wake_up_peer(
        &self,
        Parameters(ask): Parameters<WakeAsk>,
    ) -> Result<Json<WakeDone>, Failed> {
        let timeout_ms = millis(ask.timeout_seconds)?;
        let ask = Wake { peer: ask.peer, reason: ask.reason, timeout_ms };
        let woken = self.client.wake(&ask).await?;
        let round_trip_ms = in_millis(woken.round_trip_us);
        let peer_wrote = PeerWrote::reason(&woken.detail);
        let (woken, outcome) = (woken.woken, woken.outcome.as_str());
        Ok(Json(WakeDone { woken, outcome, peer_wrote, round_trip_ms }))
    }

    #[tool(
        title = "Restart a peer's agent",
        description = "Check a peer and, unless its agent is there, wake it with several attempts and growing \
                       pauses. Does nothing if the agent is there.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn restart_peer(
        &self,
        Parameters(ask): Parameters<RestartAsk>,
    ) -> Result<Json<RestartDone>, Failed> {
        if ask.attempts.is_some_and(|attempts| !(1..=20).contains(&attempts)) {
            return Err(Failed::invalid("attempts: expected 1 to 20"));
        }
        let timeout_ms = millis(ask.timeout_seconds)?;
        let RestartAsk { peer, reason, attempts, .. } = ask;
        let restarted =
            self.client.restart(&Restart { peer, reason, attempts, timeout_ms }).await?;
        let attempts = restarted.attempts.into_iter().map(Attempt::from).collect();
        Ok(Json(RestartDone { ok: restarted.ok, before: restarted.before.into(), attempts }))
    }
}
