//! `peer inbox`

use clap::Subcommand;
use peer_protocol::time::Timestamp;
use serde::Serialize;

use super::delivery::{kind, more, shown};
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::talk::bytes;
use super::text::{ago, now, pairs, printable, short, size, table, time};
use super::trust::level;
use crate::api::{Acknowledge, Client, Inbox};
use crate::model::{Acknowledged, InboxFilter, InboxId, InboxLine, Incoming, Page};

/// Show what came in and waits for the agent; acknowledge it
///
/// A message stays here, on disk, until it is acknowledged: by `peer listen` once it was printed or its
/// program has succeeded, by answering it, or by `peer inbox ack`. Then its sender is told that it is
/// `processed`. A message is named by its number (n17), by its id, or by how that begins.
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
    /// List messages, the oldest first; `peer inbox` alone does that, too
    List(List),
    /// Show a message; it stays in the inbox
    Show {
        /// Its number (n17), its id, or how that begins
        #[arg(value_name = "MESSAGE")]
        id: InboxId,
        /// Print its content only, exactly as it came
        #[arg(long)]
        content: bool,
    },
    /// Acknowledge messages: they leave the inbox, and their senders are told
    Ack {
        /// Their numbers (n17), their ids, or how those begin
        #[arg(value_name = "MESSAGE", required_unless_present = "all")]
        ids: Vec<InboxId>,
        /// All that are there
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all: only those from this peer
        #[arg(long, value_name = "PEER", requires = "all", conflicts_with = "ids")]
        from: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only messages from this peer: entity id, peer id or fingerprint
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// Most messages to list, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = InboxFilter::DEFAULT_LIMIT)]
    limit: usize,
    /// Only those after this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(List { from, limit, after }) => {
            let page = client.inbox(&Inbox { from, after, limit: Some(limit) }).await?;
            output.show(&page, |page| describe(page, now()))?;
        }
        Command::Show { id, content: true } => {
            let content = client.inbox_message(&id).await?.content;
            output.content(&bytes(&content)?, content.media_type())?;
        }
        Command::Show { id, content: false } => {
            let message = client.inbox_message(&id).await?;
            output.show(&message, |message| show(message, now()))?;
        }
        Command::Ack { all: true, from, .. } => {
            let count = acknowledge_all(from, client).await?;
            output.show(&All { acknowledged: count }, |_| match count {
                0 => "nothing was there to acknowledge".to_owned(),
                1 => "1 message acknowledged".to_owned(),
                count => format!("{count} messages acknowledged"),
            })?;
        }
        Command::Ack { ids, .. } => {
            let ids = ids.iter().map(ToString::to_string).collect();
            let done = client.acknowledge(&Acknowledge { ids }).await?;
            output.show(&done, acknowledged)?;
            if !done.unknown.is_empty() {
                return Ok(Exit::Failed);
            }
        }
    }
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct All {
    acknowledged: u64,
}

/// Acknowledges what is there when it begins, a page at a time.
async fn acknowledge_all(from: Option<String>, client: &Client) -> Result<u64, CliError> {
    let mut count = 0;
    let (mut after, mut left) = (None, None);
    loop {
        let limit = Some(InboxFilter::MAX_LIMIT);
        let page = client.inbox(&Inbox { from: from.clone(), after, limit }).await?;
        let most = usize::try_from(*left.get_or_insert(page.total)).unwrap_or(usize::MAX);
        let lines: Vec<_> = page.items.iter().take(most).collect();
        let Some(last) = lines.last() else { return Ok(count) };
        after = Some(last.number);
        left = left.map(|left| left.saturating_sub(lines.len() as u64));
        let ids = lines.iter().map(|line| InboxId::Number(line.number).to_string()).collect();
        let done = client.acknowledge(&Acknowledge { ids }).await?;
        count += done.ids.len() as u64;
    }
}

fn describe(page: &Page<InboxLine>, now: Timestamp) -> String {
    if page.items.is_empty() {
        return "nothing waits for the agent; `peer listen` shows what comes".to_owned();
    }
    let header = ["NUMBER", "MESSAGE", "FROM", "KIND", "SIZE", "RECEIVED", "STATE"];
    let row = |line: &InboxLine| {
        vec![
            InboxId::Number(line.number).to_string(),
            short(&line.message_id),
            line.from.to_string(),
            match &line.name {
                Some(name) => format!("{} {}", kind(line.kind), printable(name)),
                None => kind(line.kind).to_owned(),
            },
            size(line.size),
            ago(line.received_at, now),
            if line.handed { "handed to an agent" } else { "waits" }.to_owned(),
        ]
    };
    let table = table(&header, page.items.iter().map(row).collect());
    format!("{table}\n{}", more(page.items.len(), page.total, page.next.as_deref()))
}

fn show(message: &Incoming, now: Timestamp) -> String {
    let secrecy = if message.encrypted { "" } else { ", NOT ENCRYPTED" };
    let trust = message.trust.map_or("not on record", level);
    let number = message.inbox_number.map(|number| InboxId::Number(number).to_string());
    let received = ago(message.received_at, now);
    let mut lines = vec![
        ("number", number.unwrap_or_else(|| "-".to_owned())),
        ("message", message.message_id.clone()),
        ("from", format!("{} ({trust}{secrecy})", message.from)),
        ("kind", kind(message.kind).to_owned()),
        ("received", format!("{} ({received})", time(message.received_at))),
    ];
    lines.extend(details(message));
    let mut text = pairs(&lines);
    text.push_str(&printable(&shown(&message.content)));
    text
}

/// What some kinds of message have, by name.
pub(super) fn details(message: &Incoming) -> impl Iterator<Item = (&'static str, String)> {
    let done = message.done.map(|done| if done { "done" } else { "could not do it" }.to_owned());
    let file = message.file.as_ref();
    let file = file.map(|file| format!("{} ({}), {}", file.name, size(file.size), file.path));
    let writer = message.forwarded.as_ref().map(|writer| {
        let (entity, via) = (&writer.entity, &message.from);
        format!("{entity}, version {}, through {via} and NOT ENCRYPTED until there", writer.version)
    });
    [
        ("written by", writer),
        ("status", message.status.clone()),
        ("next", message.next_action.clone()),
        ("conversation", message.conversation.clone()),
        ("answers", message.in_reply_to.clone()),
        ("outcome", done),
        ("file", file.or_else(|| message.content.name.clone())),
        ("nonce", message.wake_nonce.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

fn acknowledged(done: &Acknowledged) -> String {
    let mut text = String::new();
    for (ids, what) in [
        (&done.ids, "acknowledged"),
        (&done.already, "was acknowledged before"),
        (&done.unknown, "is not in the inbox: `peer inbox` lists what is"),
    ] {
        for id in ids {
            text.push_str(&printable(&format!("{id} {what}\n")));
        }
    }
    text
}
