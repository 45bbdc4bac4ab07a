//! `peer restart`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::printable;
use super::{PeerArgs, alive};
use crate::api::{self, Client};
use crate::model::Restarted;

/// Check a peer and, unless its agent is there, wake it: several attempts, growing pauses
///
/// Exits with 4 if the peer was not alive and could not be woken, with 1 if its node is alive but no
/// agent could be told.
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
    Ok(match (restarted.ok, restarted.before.alive) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Unreachable,
    })
}

fn describe(peer: &str, restarted: &Restarted) -> String {
    let before = alive::describe(peer, &restarted.before);
    let attempts: String = restarted
        .attempts
        .iter()
        .map(|made| {
            let word = if made.woken { "woken" } else { "not woken" };
            format!("attempt {}: {word}: {}\n", made.attempt, printable(&made.detail))
        })
        .collect();
    let end = match (restarted.ok, restarted.attempts.is_empty()) {
        (true, true) => "its agent is there: nothing to do",
        (true, false) => "its agent was told to go on",
        (false, _) => "its agent could not be woken",
    };
    format!("{before}{attempts}{end}")
}
