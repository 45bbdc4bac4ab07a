//! `peer wake`

use super::PeerArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, printable};
use crate::api::{self, Client};
use crate::model::{WakeResult, Woken};

/// Wake a peer's agent, so that it goes on with its work
///
/// If no agent is attached, the peer's node starts one, should its operator allow that to this node. `awake`
/// means that the agent has given proof; `told`, that an attached agent has the message but gave no word
/// yet. Exits with 1 if no agent was reached, with 6 if the peer's operator does not allow it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let timeout = args.peer.timeout.timeout;
    let ask = api::Wake {
        timeout_ms: args.peer.timeout.millis(),
        peer: args.peer.peer,
        reason: args.reason,
    };
    let woken = super::patiently(output, timeout, client.wake(&ask)).await?;
    output.show(&woken, describe)?;
    Ok(exit(woken.outcome))
}

fn exit(outcome: WakeResult) -> Exit {
    match outcome {
        WakeResult::Awake | WakeResult::HandedToAgent => Exit::Ok,
        WakeResult::NoAgent | WakeResult::Failed => Exit::Failed,
        WakeResult::Refused => Exit::Refused,
    }
}

/// What an outcome means.
pub(super) const fn word(outcome: WakeResult) -> &'static str {
    match outcome {
        WakeResult::Awake => "awake",
        WakeResult::HandedToAgent => "told, no word from it yet",
        WakeResult::NoAgent => "not woken",
        WakeResult::Refused => "refused",
        WakeResult::Failed => "failed",
    }
}

fn describe(woken: &Woken) -> String {
    let word = word(woken.outcome);
    format!("{word} in {}: {}", micros(woken.round_trip_us), printable(&woken.detail))
}
