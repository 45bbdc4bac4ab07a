//! `peer alive`

use super::PeerArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, pairs, span};
use crate::api::{self, Client};
use crate::model::{AgentState, Life};

/// Check whether a peer lives, its node and its agent told apart
///
/// Its node asks its agent, and says that it lives only if it answers at once. A peer that does not answer is
/// an answer too: it is printed, and the exit code is 4.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let ask = api::Alive { timeout_ms: args.peer.timeout.millis(), peer: args.peer.peer };
    let life = client.alive(&ask).await?;
    output.show(&life, |life| describe(&ask.peer, life))?;
    Ok(if life.alive { Exit::Ok } else { Exit::Unreachable })
}

fn agent(life: &Life, idle: &str) -> String {
    match life.agent_state {
        Some(AgentState::Attached) => format!("attached{idle}"),
        Some(AgentState::Unresponsive) => "attached, but does not respond".to_owned(),
        Some(AgentState::Unknown) => {
            format!("attached{idle}; whether it responds cannot be told")
        }
        Some(AgentState::Absent) | None => "none attached".to_owned(),
    }
}

pub(super) fn describe(peer: &str, life: &Life) -> String {
    let name = life.entity.as_ref().map_or_else(|| peer.to_owned(), ToString::to_string);
    if !life.alive {
        let why = life.error.clone().unwrap_or_else(|| "it does not answer".to_owned());
        return pairs(&[("peer", name), ("node", format!("not alive: {why}"))]);
    }
    let round_trip =
        life.round_trip_us.map_or_else(String::new, |us| format!(" in {}", micros(us)));
    let up = life.uptime_ms.map_or_else(String::new, |ms| format!(", up {}", span(ms)));
    let idle = life.agent_idle_ms.map_or_else(String::new, |ms| format!(", idle for {}", span(ms)));
    let agent = agent(life, &idle);
    let path = life.path.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let node = format!("alive{round_trip}{up}");
    pairs(&[("peer", name), ("node", node), ("agent", agent), ("path", path)])
}
