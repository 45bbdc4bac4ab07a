//! `peer outbox`

use clap::Subcommand;

use super::delivery::{Each, color, kind, more, shown, status};
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{ago, away, now, painted, pairs, printable, short, size, time};
use crate::api::{Client, Outbox, RetryPeer};
use crate::model::{Delivery, IdPrefix, OutboxFilter, OutboxLine, OutboxMessage, Page, Retried};
use peer_protocol::time::Timestamp;

/// Show what waits to be sent, and why; withdraw it, or try it again at once
///
/// What the node has accepted is on disk, and is sent until its time runs out. A message is `queued` until
/// it is sent, then `sent`, `delivered` once the peer's node has stored it, `processed` once the peer's
/// agent took it. Its way may also end as `failed` (the peer refused it for good), `expired` or `cancelled`
/// (certainly not sent), or `unknown`. A message is named by its id, or by how that begins.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List messages in the order in which they are sent; `peer outbox` alone does that, too
    List(List),
    /// Show a message, and what it says
    Show {
        /// Its id, or how it begins
        #[arg(value_name = "MESSAGE")]
        id: IdPrefix,
    },
    /// Send messages no more
    ///
    /// What has not been sent is then `cancelled`; of what may have been sent, nobody can tell: `unknown`.
    Cancel {
        /// Their ids, or how those begin
        #[arg(value_name = "MESSAGE", required = true)]
        ids: Vec<IdPrefix>,
    },
    /// Try messages again at once, without waiting for the next attempt
    Retry {
        /// Their ids, or how those begin
        #[arg(value_name = "MESSAGE", required_unless_present = "peer")]
        ids: Vec<IdPrefix>,
        /// All that waits for this peer
        #[arg(long, conflicts_with = "ids")]
        peer: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only messages to this peer: entity id, peer id or fingerprint
    #[arg(long)]
    peer: Option<String>,
    /// Those that arrived or failed lately, too; the newest first
    #[arg(long)]
    all: bool,
    /// Most messages to list, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = OutboxFilter::DEFAULT_LIMIT)]
    limit: usize,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(List { peer, all, limit, after }) => {
            let ask = Outbox { peer, all, after, limit: Some(limit) };
            let page = client.outbox(&ask).await?;
            output.show(&page, |page| describe(page, all, now()))?;
        }
        Command::Show { id } => {
            let message = client.outbox_message(&id).await?;
            output.show(&message, |message| show(message, now()))?;
        }
        Command::Cancel { ids } => {
            let mut cancelled = Each::new();
            for id in ids {
                cancelled.add(id.to_string(), client.cancel(&id).await);
            }
            return cancelled.tell(output, withdrawn);
        }
        Command::Retry { peer: Some(peer), .. } => {
            let retried = client.retry_peer(&RetryPeer { peer }).await?;
            output.show(&retried, again)?;
        }
        Command::Retry { ids, peer: None } => {
            let mut retried = Each::new();
            for id in ids {
                retried.add(id.to_string(), client.retry(&id).await);
            }
            return retried.tell(output, |line| {
                format!("{} to {} is tried again now", short(&line.message_id), line.peer)
            });
        }
    }
    Ok(Exit::Ok)
}

fn describe(page: &Page<OutboxLine>, all: bool, now: Timestamp) -> String {
    if page.items.is_empty() {
        return if all {
            "nothing was sent lately; `peer report <peer> <status>` sends something".to_owned()
        } else {
            "nothing waits to be sent; `peer outbox --all` lists what arrived lately".to_owned()
        };
    }
    let header =
        ["MESSAGE", "TO", "KIND", "SIZE", "STATUS", "ACCEPTED", "EXPIRES", "TRIES", "WAITS FOR"];
    let rows = page.items.iter().map(|line| row(line, now)).collect();
    let table = painted(&header, rows, |column, text| color(text).filter(|_| column == 4));
    format!("{table}\n{}", more(page.items.len(), page.total, page.next.as_deref()))
}

fn row(line: &OutboxLine, now: Timestamp) -> Vec<String> {
    let expires = if line.status.is_settled() { "-".to_owned() } else { away(line.expires, now) };
    vec![
        short(&line.message_id),
        line.peer.to_string(),
        kind(line.kind).to_owned(),
        size(line.size),
        line.status.as_str().to_owned(),
        ago(line.created, now),
        expires,
        line.attempts.to_string(),
        why(line),
    ]
}

/// Why a message has come no further, or why it never will.
fn why(line: &OutboxLine) -> String {
    match &line.status {
        Delivery::Failed { code, detail } => format!("{code}: {detail}"),
        _ => line.waits_for.clone().unwrap_or_else(|| "-".to_owned()),
    }
}

fn show(message: &OutboxMessage, now: Timestamp) -> String {
    let line = &message.message;
    let mut lines = vec![
        ("message", line.message_id.clone()),
        ("to", format!("{} ({})", line.peer, line.peer_id)),
        ("kind", format!("{}, {}", kind(line.kind), size(line.size))),
        ("status", status(&line.status)),
    ];
    if let Some(reason) = &line.waits_for {
        lines.push(("waits for", reason.clone()));
    }
    lines.push(("number", line.number.to_string()));
    lines.push(("tries", line.attempts.to_string()));
    lines.push(("accepted", format!("{} ({})", time(line.created), ago(line.created, now))));
    if !line.status.is_settled() {
        lines.push(("expires", format!("{} ({})", time(line.expires), away(line.expires, now))));
    }
    for (name, value) in [
        ("says", &message.status),
        ("next", &message.next_action),
        ("conversation", &message.conversation),
        ("answers", &message.in_reply_to),
    ] {
        lines.extend(value.clone().map(|value| (name, value)));
    }
    let mut text = pairs(&lines);
    match &message.content {
        Some(content) => text.push_str(&printable(&shown(content))),
        None => text.push_str("what it said is no longer kept\n"),
    }
    text
}

fn withdrawn(line: &OutboxLine) -> String {
    format!("{} to {} is {}", short(&line.message_id), line.peer, status(&line.status))
}

fn again(retried: &Retried) -> String {
    let peer = printable(&retried.peer.to_string());
    match retried.messages {
        0 => format!("nothing waits for {peer}"),
        1 => format!("1 message to {peer} is tried again now"),
        count => format!("{count} messages to {peer} are tried again now"),
    }
}
