//! `peer wake`

use super::PeerArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{micros, printable};
use crate::api::{self, Client};
use crate::model::Woken;

/// Ask a peer's agent to go on with its work
///
/// Exits with 1 if the peer's node answers but no agent was told.
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
    Ok(if woken.woken { Exit::Ok } else { Exit::Failed })
}

fn describe(woken: &Woken) -> String {
    let word = if woken.woken { "woken" } else { "not woken" };
    format!("{word} in {}: {}", micros(woken.round_trip_us), printable(&woken.detail))
}
