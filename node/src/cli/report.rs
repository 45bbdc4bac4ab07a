//! `peer report`

use std::time::Duration;

use clap::ValueEnum;
use peer_protocol::time::Timestamp;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{away, now, printable, short, time};
use super::{PeerArgs, content, delivery, millis};
use crate::api::{self, Client};
use crate::config::{format_duration, parse_duration};
use crate::model::{Delivery, Reported, Wait};

/// Tell a peer how things stand, without waiting for its agent
///
/// Waits up to --timeout until the peer's node has stored the report. If it has not by then, nothing is
/// lost: the report is on disk, the node keeps trying for --ttl, and `peer trace` follows it. That is no
/// failure: the exit code is 0 for all that was accepted and is on its way, and 10 if --require asks for more.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
    /// How things stand, in a line
    status: String,
    /// Something to go with it: text, `-` for standard input, or `@file`; at most 64 MiB
    #[arg(value_name = "CONTENT")]
    content: Option<String>,
    /// What comes next
    #[arg(long, value_name = "TEXT")]
    next_action: Option<String>,
    /// How long the node keeps trying to deliver it: 30s, 10m, 2h, 7d; at most 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ttl: Option<Duration>,
    /// How far it has to come until this command waits no longer
    #[arg(long, value_enum, default_value_t = Stage::Delivered, value_name = "STAGE")]
    wait: Stage,
    /// Exit with 10 unless it has come this far within --timeout
    #[arg(long, value_enum, value_name = "STAGE")]
    require: Option<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// On disk here
    Queued,
    /// On disk at the peer
    Delivered,
    /// Taken by the peer's agent
    Processed,
}

impl From<Stage> for Wait {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Queued => Self::Queued,
            Stage::Delivered => Self::Delivered,
            Stage::Processed => Self::Processed,
        }
    }
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let content = args.content.map(|argument| content::read(Some(&argument))).transpose()?;
    let timeout = args.peer.timeout.timeout;
    let require = args.require.map(Wait::from);
    let wait = require.map_or(args.wait.into(), |require| require.max(args.wait.into()));
    let ask = api::Report {
        peer: args.peer.peer,
        status: args.status,
        next_action: args.next_action,
        content,
        timeout_ms: args.peer.timeout.millis(),
        wait: Some(wait),
        ttl_ms: args.ttl.and_then(millis),
    };
    let reported = super::patiently(output, timeout, client.report(&ask)).await?;
    output.show(&reported, |reported| describe(reported, now()))?;
    let missed = require.filter(|require| !reported.status.reaches(*require));
    if let Some(require) = missed.filter(|_| !output.json()) {
        let (require, timeout) = (require.as_str(), format_duration(timeout));
        output.note(&format!("not {require} within {timeout}, as --require asks"));
    }
    Ok(match &reported.status {
        Delivery::Failed { .. } => Exit::Refused,
        status if missed.is_some() || !status.reaches(Wait::Queued) => Exit::Undelivered,
        _ => Exit::Ok,
    })
}

fn describe(reported: &Reported, now: Timestamp) -> String {
    let id = &reported.message_id;
    let mut text = format!("{} (message {id})\n", delivery::status(&reported.status));
    if let Some(reason) = &reported.waits_for {
        text.push_str(&format!("it waits for: {reason}\n"));
    }
    let wait = !reported.status.is_settled();
    if let Some(expires) = reported.expires.filter(|_| wait) {
        text.push_str(&format!(
            "the node keeps trying until {} ({}); `peer trace {}` follows it\n",
            time(expires),
            away(expires, now),
            short(id)
        ));
    } else if wait {
        text.push_str("the node keeps trying\n");
    }
    printable(&text)
}
