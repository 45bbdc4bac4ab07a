//! `peer transfers`

use clap::Subcommand;
use peer_protocol::message::Purpose;
use peer_protocol::time::Timestamp;

use super::delivery::Each;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{ago, elapsed, now, painted, pairs, printable, short, size, time};
use crate::api::Client;
use crate::model::{Failure, IdPrefix, TransferDirection, TransferState, TransferStatus};

/// Show files on their way, in both directions; cancel them, or send them again
///
/// A file to send is `queued` behind others, then `hashing`, `offered`, `running`, and `complete` once the
/// peer has it whole and on disk. A transfer is named by its id, or by how that begins.
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
    /// List transfers, the oldest first; `peer transfers` alone does that, too
    List(List),
    /// Show a transfer
    Show {
        /// Its id, or how it begins
        #[arg(value_name = "TRANSFER")]
        id: IdPrefix,
    },
    /// Give transfers up; what has arrived of them is deleted
    Cancel {
        /// Their ids, or how those begin
        #[arg(value_name = "TRANSFER", required = true)]
        ids: Vec<IdPrefix>,
    },
    /// Send files again that failed or were cancelled, as new transfers
    Retry {
        /// Their ids, or how those begin
        #[arg(value_name = "TRANSFER", required = true)]
        ids: Vec<IdPrefix>,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct List {
    /// Those that are over, and large contents of messages, too
    #[arg(long)]
    all: bool,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(List { all }) => {
            let mut transfers = client.transfers().await?;
            let open = |status: &TransferStatus| {
                !status.state.is_over() && status.purpose == Purpose::File
            };
            transfers.retain(|status| all || open(status));
            output.show(&transfers, |transfers| describe(transfers, all, now()))?;
        }
        Command::Show { id } => {
            let status = client.transfer(&id).await?;
            output.show(&status, |status| show(status, now()))?;
        }
        Command::Cancel { ids } => {
            let mut cancelled = Each::new();
            for id in ids {
                cancelled.add(id.to_string(), client.cancel_transfer(&id).await);
            }
            return cancelled.tell(output, |status| format!("{} is given up", named(status)));
        }
        Command::Retry { ids } => {
            let mut retried = Each::new();
            for id in ids {
                retried.add(id.to_string(), client.retry_transfer(&id).await);
            }
            return retried.tell(output, |status| {
                format!("{} is sent again, as {}", named(status), short(&status.id))
            });
        }
    }
    Ok(Exit::Ok)
}

/// How much longer it takes at its rate.
pub(super) fn left(status: &TransferStatus) -> Option<String> {
    let bytes = status.size.saturating_sub(status.done).saturating_mul(1000);
    bytes.checked_div(status.rate).map(elapsed)
}

/// Why a transfer came to nothing.
pub(super) fn failure(status: &TransferStatus) -> Failure {
    let kind = match (status.state, status.code) {
        (TransferState::Cancelled, _) => "cancelled",
        (_, Some(_)) => "refused",
        (_, None) => "transfer",
    };
    let reason = status.detail.as_deref().unwrap_or(status.state.as_str());
    let code = status.code.map_or_else(String::new, |code| format!("{code}: "));
    Failure {
        kind: kind.to_owned(),
        code: status.code,
        message_id: None,
        detail: format!("{}: {code}{reason}", named(status)),
        peer_wrote: status.detail.as_deref().filter(|_| status.code.is_some()).map(Box::from),
        next: format!(
            "see the reason; `peer transfers retry {}` sends it again",
            short(&status.id)
        ),
    }
}

fn named(status: &TransferStatus) -> String {
    let name = printable(status.name.as_deref().unwrap_or("the content"));
    let preposition = match status.direction {
        TransferDirection::Outgoing => "to",
        TransferDirection::Incoming => "from",
    };
    format!("{name} {preposition} {}", status.peer)
}

fn describe(transfers: &[TransferStatus], all: bool, now: Timestamp) -> String {
    if transfers.is_empty() {
        return if all {
            "nothing was sent or received lately; `peer send <peer> <file>` sends a file".to_owned()
        } else {
            "nothing is on its way; `peer transfers list --all` lists what is over".to_owned()
        };
    }
    let header = ["TRANSFER", "", "PEER", "NAME", "SIZE", "DONE", "RATE", "STATE", "SINCE", "WHY"];
    let rows = transfers.iter().map(|status| row(status, now)).collect();
    painted(&header, rows, |column, text| color(text).filter(|_| column == 7))
}

fn color(state: &str) -> Option<comfy_table::Color> {
    match state {
        "complete" => Some(comfy_table::Color::Green),
        "failed" => Some(comfy_table::Color::Red),
        "running" | "verifying" => Some(comfy_table::Color::Yellow),
        _ => None,
    }
}

fn row(status: &TransferStatus, now: Timestamp) -> Vec<String> {
    let why = status.detail.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        short(&status.id),
        arrow(status.direction).to_owned(),
        status.peer.to_string(),
        status.name.clone().unwrap_or_else(|| "(content)".to_owned()),
        size(status.size),
        percent(status),
        if status.rate > 0 { format!("{}/s", size(status.rate)) } else { "-".to_owned() },
        status.state.as_str().to_owned(),
        ago(status.created, now),
        why,
    ]
}

const fn arrow(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::Outgoing => "to",
        TransferDirection::Incoming => "from",
    }
}

fn percent(status: &TransferStatus) -> String {
    let part = u128::from(status.done) * 100;
    let percent = part.checked_div(u128::from(status.size));
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"))
}

fn show(status: &TransferStatus, now: Timestamp) -> String {
    let mut lines = vec![
        ("transfer", status.id.clone()),
        (arrow(status.direction), format!("{} ({})", status.peer, status.peer_id)),
        ("name", status.name.clone().unwrap_or_else(|| "a content".to_owned())),
        ("size", format!("{} ({} bytes)", size(status.size), status.size)),
        ("state", status.state.as_str().to_owned()),
        ("done", format!("{} ({})", size(status.done), percent(status))),
    ];
    if let Some(left) = left(status) {
        lines.push(("rate", format!("{}/s, {left} left", size(status.rate))));
    }
    if let Some(detail) = &status.detail {
        let code = status.code.map_or_else(String::new, |code| format!("{code}: "));
        lines.push(("why", format!("{code}{detail}")));
    }
    for (name, value) in [("path", &status.path), ("blake3", &status.digest)] {
        lines.extend(value.clone().map(|value| (name, value)));
    }
    for (name, at) in [("begun", status.created), ("last moved", status.updated)] {
        lines.push((name, format!("{} ({})", time(at), ago(at, now))));
    }
    pairs(&lines)
}
