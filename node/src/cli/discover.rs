//! `peer discover`

use peer_protocol::time::Timestamp;

use super::Timeout;
use super::error::CliError;
use super::exit::Exit;
use super::listing::capabilities;
use super::output::Output;
use super::text::{ago, now, table};
use super::trust::level;
use crate::api::{Client, Discover};
use crate::model::{Discovered, Listing};

/// Find entities by what they can do
///
/// Given several capabilities, it finds those that have all of them; not this entity itself. Each
/// listing is signed by its entity; what the entity says of its abilities is its own word. The exit
/// code is 4 if nobody was found.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What they can do; several are separated by spaces or commas
    #[arg(value_name = "CAPABILITY", required = true, value_delimiter = ',')]
    capabilities: Vec<String>,
    /// Stop after this many, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = Discover::DEFAULT_LIMIT)]
    limit: usize,
    #[command(flatten)]
    timeout: Timeout,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let Args { capabilities, limit, timeout } = args;
    let ask = Discover { capabilities, limit: Some(limit), timeout_ms: timeout.millis() };
    output.note("searching…");
    let found = client.discover(&ask).await?;
    output.show(&found, |found| describe(found, now()))?;
    Ok(if found.listings.is_empty() { Exit::Unreachable } else { Exit::Ok })
}

fn describe(found: &Discovered, now: Timestamp) -> String {
    let Discovered { listings, rejected, asked, took_ms, complete } = found;
    let mut text = if listings.is_empty() {
        "nobody was found\n".to_owned()
    } else {
        let header = ["ENTITY", "TRUST", "CAN DO", "LAST SEEN", "ADDRESSES"];
        let mut table = table(&header, listings.iter().map(|it| row(it, now)).collect());
        table.push('\n');
        table
    };
    text.push_str(&format!("{} found in {took_ms} ms, after {asked} requests\n", listings.len()));
    if *asked == 0 && listings.is_empty() {
        text.push_str("no node of the registry could be asked: `peer dht` shows why\n");
    }
    if *rejected > 0 {
        text.push_str(&format!("{rejected} entries were dropped: not valid, or not trusted\n"));
    }
    if !complete {
        text.push_str("there may be more: allow more with --limit or --timeout\n");
    }
    text
}

fn row(listing: &Listing, now: Timestamp) -> Vec<String> {
    let first = listing.addresses.first().map_or("-", String::as_str);
    let address = first.split_once("/p2p/").map_or(first, |(address, _)| address);
    let more = match listing.addresses.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    vec![
        listing.entity.to_string(),
        listing.trust.map_or("-", level).to_owned(),
        capabilities(listing),
        listing.last_seen.map_or_else(|| "-".to_owned(), |at| ago(at, now)),
        format!("{address}{more}"),
    ]
}
