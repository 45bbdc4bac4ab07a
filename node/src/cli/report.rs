//! `peer report`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::printable;
use super::{PeerArgs, content};
use crate::api::{self, Client};
use crate::model::{Delivery, Reported};

/// Tell a peer how things stand, without waiting for its agent
///
/// Returns once the peer's node has the report, or after --timeout with what is known by then.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
    /// How things stand, in a line
    status: String,
    /// Something to go with it: text, `-` for standard input, or `@file`; at most 1 MiB
    #[arg(value_name = "CONTENT")]
    content: Option<String>,
    /// What comes next
    #[arg(long, value_name = "TEXT")]
    next_action: Option<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let content = args.content.map(|argument| content::read(Some(&argument))).transpose()?;
    let timeout = args.peer.timeout.timeout;
    let ask = api::Report {
        peer: args.peer.peer,
        status: args.status,
        next_action: args.next_action,
        content,
        timeout_ms: args.peer.timeout.millis(),
    };
    let reported = super::patiently(output, timeout, client.report(&ask)).await?;
    output.show(&reported, describe)?;
    Ok(Exit::Ok)
}

fn describe(reported: &Reported) -> String {
    let meaning = match &reported.status {
        Delivery::Queued => "the node keeps trying",
        Delivery::Sent => "nothing came back yet; the node keeps trying",
        Delivery::Received => "the peer's node has it",
        Delivery::Delivered => "the peer's node has stored it",
        Delivery::Processed => "the peer's agent took it",
        Delivery::Expired => "its time ran out before it could be sent",
        Delivery::Unknown => "nobody can tell what became of it",
        Delivery::Failed { detail, .. } => detail,
        Delivery::Cancelled => "it was cancelled before it could be sent",
    };
    let word = reported.status.as_str();
    printable(&format!("{word}: {meaning} (message {})", reported.message_id))
}
