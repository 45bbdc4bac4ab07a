//! `peer trace`

use peer_protocol::delivery::{Status, Step};
use peer_protocol::time::Timestamp;

use super::delivery::{kind, status};
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{ago, apart, away, elapsed, moment, now, pairs, printable, size, table, time};
use crate::api::Client;
use crate::model::{Direction, IdPrefix, InboxId, Trace, TraceStep};

/// Show where a message is, and the steps of its way
///
/// Works for messages that this node sent and for those that it got, as far as this node knows: what
/// happened at the peer shows once the peer said so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The message's id, or how it begins
    #[arg(value_name = "MESSAGE")]
    id: IdPrefix,
}

pub(super) async fn execute(
    args: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let trace = client.trace(&args.id).await?;
    output.show(&trace, |trace| describe(trace, now()))?;
    Ok(Exit::Ok)
}

fn describe(trace: &Trace, now: Timestamp) -> String {
    let (side, begun) = match trace.direction {
        Direction::Sent => ("to", "accepted"),
        Direction::Received => ("from", "received"),
    };
    let mut lines = vec![
        ("message", trace.message_id.clone()),
        (side, format!("{} ({})", trace.peer, trace.peer_id)),
        ("kind", format!("{}, {}", kind(trace.kind), size(trace.size))),
        ("status", status(&trace.status)),
    ];
    lines.extend(trace.waits_for.clone().map(|reason| ("waits for", reason)));
    lines.extend(trace.number.map(|number| ("number", number.to_string())));
    lines.extend(trace.inbox_number.map(|number| ("inbox", InboxId::Number(number).to_string())));
    lines.push((begun, format!("{} ({})", time(trace.created), ago(trace.created, now))));
    if let Some(expires) = trace.expires.filter(|_| !trace.status.is_settled()) {
        lines.push(("expires", format!("{} ({})", time(expires), away(expires, now))));
    }
    let text = pairs(&lines);
    if trace.steps.is_empty() {
        return format!("{text}\nits steps are no longer kept");
    }
    let peer = printable(&trace.peer.to_string());
    format!("{text}\n{}", timeline(&trace.steps, &peer))
}

/// The steps, each with its time, since the first and since the one before.
fn timeline(steps: &[TraceStep], peer: &str) -> String {
    let first = steps.first().map(|step| step.at).unwrap_or_default();
    let mut before = first;
    let row = |step: &TraceStep| {
        let cells = vec![
            moment(step.at),
            format!("+{}", since(first, step.at)),
            format!("+{}", since(before, step.at)),
            words(&step.step, peer),
        ];
        before = step.at;
        cells
    };
    table(&["AT", "SINCE FIRST", "SINCE LAST", "STEP"], steps.iter().map(row).collect())
}

/// A clock that was set back makes no negative times.
fn since(earlier: Timestamp, later: Timestamp) -> String {
    elapsed(if later > earlier { apart(earlier, later) } else { 0 })
}

fn words(step: &Step, peer: &str) -> String {
    match step {
        Step::Accepted => "accepted: on disk here".to_owned(),
        Step::GivenToLink => format!("its turn came: given to the link with {peer}"),
        Step::Transmitted { attempt: 1 } => "sent".to_owned(),
        Step::Transmitted { attempt } => format!("sent again, attempt {attempt}"),
        Step::Paced { retry_after_ms } => {
            format!("{peer} asked to wait {}", elapsed(*retry_after_ms))
        }
        Step::InMailbox { nodes: 1 } => "left at 1 mailbox".to_owned(),
        Step::InMailbox { nodes } => format!("left at {nodes} mailboxes"),
        Step::Became(Status::Sent) => "noted on disk: from now on it may have been sent".to_owned(),
        Step::Became(Status::Delivered) => format!("delivered: on disk at {peer}"),
        Step::Became(Status::Processed) => format!("processed: the agent of {peer} took it"),
        Step::Became(became) => status(&became.clone().into()),
        Step::Stored => "stored: on disk here".to_owned(),
        Step::Handed => "handed to the agent".to_owned(),
        Step::Taken => "acknowledged by the agent".to_owned(),
    }
}
