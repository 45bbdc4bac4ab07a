//! `peer awake`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::elapsed;
use crate::api::{self, Client};
use crate::model::Awoken;

/// Say that this agent is awake: give back the nonce with which it was woken
///
/// The node that woke the agent (see [[wake]] in its configuration) tells whoever asked for it. A nonce
/// counts once, and for a short time. `peer listen` does this by itself when it attaches.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The nonce: 32 hexadecimal digits
    #[arg(value_name = "NONCE", env = "PEER_WAKE_NONCE", hide_env_values = true)]
    nonce: String,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let awoken = client.awake(&api::Awake { nonce: args.nonce }).await?;
    output.show(&awoken, describe)?;
    Ok(Exit::Ok)
}

fn describe(awoken: &Awoken) -> String {
    let asked: Vec<String> = awoken.asked.iter().map(ToString::to_string).collect();
    let took = elapsed(awoken.took_ms);
    super::text::printable(&format!("awake after {took}; told to {}", asked.join(", ")))
}
