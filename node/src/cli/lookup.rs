//! `peer lookup`

use super::Timeout;
use super::error::CliError;
use super::exit::Exit;
use super::listing;
use super::output::Output;
use crate::api::{Client, Lookup};
use crate::model::Found;

/// Find an entity in the registry: its key, its addresses, what it can do
///
/// The answer is signed by the entity itself. Commands such as `peer talk` look names up on their own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Entity id, peer id or fingerprint
    entity: String,
    /// Ask the registry even if it was asked a moment ago
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    timeout: Timeout,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let timeout = args.timeout.timeout;
    let timeout_ms = args.timeout.millis();
    let ask = Lookup { entity: args.entity, fresh: args.fresh, timeout_ms };
    let found = super::patiently(output, timeout, client.lookup(&ask)).await?;
    output.show(&found, describe)?;
    Ok(Exit::Ok)
}

fn describe(found: &Found) -> String {
    let mut text = listing::describe(&found.listing);
    for rival in &found.rivals {
        text.push_str(&format!("also claimed by the key {rival}, which is not trusted for it\n"));
    }
    if found.asked > 0 {
        text.push_str(&format!("found in {} ms, after {} requests\n", found.took_ms, found.asked));
    }
    text
}
