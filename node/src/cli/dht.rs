//! `peer dht`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{pairs, table, time};
use crate::api::Client;
use crate::model::{Bucket, DhtStatus};

/// Show how this node takes part in the distributed registry
///
/// A server answers others and keeps records for them; a client, such as a node behind NAT, only
/// asks. SHARED is the number of leading bits that a peer's place has in common with this node's: the
/// more, the nearer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// List every peer of the routing table
    #[arg(long)]
    peers: bool,
}

pub(super) async fn execute(
    args: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let status = client.dht().await?;
    output.show(&status, |status| describe(status, args.peers))?;
    Ok(Exit::Ok)
}

fn describe(status: &DhtStatus, all: bool) -> String {
    let mut lines = vec![("mode", format!("{} ({})", status.mode, status.reason))];
    if status.mode != "off" {
        let count = status.buckets.len();
        lines.extend([
            ("table", format!("{} peers in {count} buckets", status.peers)),
            ("records", format!("{} kept for others, {} own", status.records, status.own_records)),
            ("providers", format!("{} entries kept for others", status.providers)),
            ("queries", format!("{} under way, {} done", status.queries, status.queries_done)),
            ("refused", refused(status)),
            ("registered", registration(status)),
        ]);
    }
    let mut text = pairs(&lines);
    if !status.buckets.is_empty() {
        let rows = status.buckets.iter().flat_map(|bucket| rows(bucket, all)).collect();
        text.push('\n');
        text.push_str(&table(&["SHARED", "PEERS"], rows));
        text.push('\n');
    }
    text
}

fn refused(status: &DhtStatus) -> String {
    if status.refused.is_empty() {
        return "nothing".to_owned();
    }
    let each = status.refused.iter().map(|(reason, count)| format!("{count} {reason}"));
    each.collect::<Vec<_>>().join(", ")
}

fn registration(status: &DhtStatus) -> String {
    match &status.registration {
        None => "not yet".to_owned(),
        Some(last) if last.stored == 0 => {
            format!("{}, but no other node took it; it is tried again", time(last.at))
        }
        Some(last) => {
            format!("{}, under {} of {} keys", time(last.at), last.stored, last.keys)
        }
    }
}

fn rows(bucket: &Bucket, all: bool) -> Vec<Vec<String>> {
    let bits = bucket.shared_bits.to_string();
    if all {
        bucket.peers.iter().map(|peer| vec![bits.clone(), peer.clone()]).collect()
    } else {
        vec![vec![bits, bucket.peers.len().to_string()]]
    }
}
