//! `peer dht`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{pairs, table, time};
use crate::api::Client;
use crate::model::{Bucket, DhtStatus, TablePeer};

/// Show how this node takes part in the distributed registry
///
/// A server answers others and keeps records for them; a client, such as a node behind NAT, only
/// asks. A provider entry says who can do something. A bucket holds up to 20 peers whose distance from
/// this node is below two to the power shown: the smaller, the nearer.
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
        let (peers, buckets) = (status.peers.len(), status.buckets.len());
        let DhtStatus { running, waiting, done, timed_out, .. } = status;
        lines.extend([
            ("table", format!("{peers} peers in {buckets} buckets")),
            ("records", format!("{} kept for others, {} own", status.records, status.own_records)),
            ("providers", format!("{} entries", status.providers)),
            (
                "queries",
                format!(
                    "{running} running, {waiting} waiting, {done} done, {timed_out} out of time"
                ),
            ),
            ("refused", refused(status)),
            ("registered", registration(status)),
        ]);
    }
    let mut text = pairs(&lines);
    if all && !status.peers.is_empty() {
        let row = |peer: &TablePeer| vec![peer.peer_id.clone(), peer.addresses.join(", ")];
        text.push('\n');
        text.push_str(&table(&["PEER", "ADDRESSES"], status.peers.iter().map(row).collect()));
        text.push('\n');
    } else if !status.buckets.is_empty() {
        let row = |it: &Bucket| vec![format!("2^{}", it.distance_bits), it.peers.to_string()];
        text.push('\n');
        text.push_str(&table(&["BUCKET", "PEERS"], status.buckets.iter().map(row).collect()));
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
        Some(last) => format!("{}, under {} of {} keys", time(last.at), last.stored, last.keys),
    }
}
