//! `peer restart`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{elapsed, printable, table};
use super::{PeerArgs, alive, wake};
use crate::api::{self, Client};
use crate::model::{AgentState, RestartAttempt, Restarted, WakeResult};

/// Check a peer and, unless its agent is there, wake it: several attempts, growing pauses
///
/// An agent that gave no proof is looked for after each attempt. Exits with 4 if the peer was not alive and
/// could not be woken, with 1 if its node is alive but no agent is, with 6 if its operator does not allow this
/// node to wake it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Most attempts, 1 to 100
    #[arg(long, value_name = "COUNT", default_value_t = api::Restart::DEFAULT_ATTEMPTS)]
    attempts: u32,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    // Each attempt, and the look before them, may take so long.
    let timeout = args.peer.timeout.timeout.saturating_mul(args.attempts.saturating_add(1));
    let ask = api::Restart {
        timeout_ms: args.peer.timeout.millis(),
        peer: args.peer.peer,
        reason: args.reason,
        attempts: Some(args.attempts),
    };
    let restarted = super::patiently(output, timeout, client.restart(&ask)).await?;
    output.show(&restarted, |restarted| describe(&ask.peer, restarted))?;
    let refused = |made: &RestartAttempt| made.outcome == WakeResult::Refused;
    if restarted.attempts.last().is_some_and(refused) {
        return Ok(Exit::Refused);
    }
    Ok(match (restarted.ok, restarted.before.alive) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Unreachable,
    })
}

fn describe(peer: &str, restarted: &Restarted) -> String {
    let before = alive::describe(peer, &restarted.before);
    let made = &restarted.attempts;
    let end = match (restarted.ok, made.last().map(|made| made.outcome)) {
        (true, None) => "its agent is there: nothing to do",
        (true, Some(WakeResult::Awake)) => "its agent is awake",
        (true, Some(WakeResult::HandedToAgent)) => "its agent was told to go on",
        (true, Some(_)) => "its agent has come meanwhile",
        (false, Some(WakeResult::Refused)) => {
            "its operator does not allow this node to wake its agent"
        }
        (false, _) => "its agent could not be woken",
    };
    if made.is_empty() {
        return format!("{before}{end}");
    }
    let row = |made: &RestartAttempt| {
        let (pause, took) = (elapsed(made.pause_ms), elapsed(made.took_ms));
        vec![made.attempt.to_string(), pause, took, wake::word(made.outcome).to_owned(), what(made)]
    };
    let header = ["ATTEMPT", "PAUSE", "TOOK", "OUTCOME", "WHAT HAPPENED"];
    let table = table(&header, made.iter().map(row).collect());
    format!("{before}{table}\n{end}")
}

/// What happened at an attempt, and what a look after it found.
fn what(made: &RestartAttempt) -> String {
    let after = made.after.as_ref().and_then(|life| match (life.alive, life.agent_state) {
        (false, _) => Some("its node does not answer"),
        (true, Some(AgentState::Attached)) => Some("its agent is there"),
        (true, Some(AgentState::Absent)) => Some("no agent is there"),
        (true, Some(AgentState::Unresponsive)) => Some("its agent does not respond"),
        (true, Some(AgentState::Unknown) | None) => None,
    });
    let after = after.map_or_else(String::new, |after| format!("; then: {after}"));
    printable(&format!("{}{after}", made.detail))
}
