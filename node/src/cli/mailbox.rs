//! `peer mailbox`

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{pairs, table};
use crate::api::Client;
use crate::model::{LyingStatus, MailboxNodeStatus, MailboxStatus};

/// Show the mailbox, or look for messages in it
///
/// Messages for a node that is away wait, encrypted, at its mailbox nodes: those that its configuration
/// names under `[mailbox] at`, and that serve it (`[mailbox] serve`). It fetches them by itself when it
/// runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What this node keeps for others, where its own messages wait, and what of it lies elsewhere
    Status,
    /// Look for messages and receipts now
    Fetch,
}

pub(super) async fn execute(
    args: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let status = match args.what {
        None | Some(What::Status) => client.mailbox().await?,
        Some(What::Fetch) => client.fetch_mail().await?,
    };
    output.show(&status, describe)?;
    Ok(Exit::Ok)
}

fn describe(status: &MailboxStatus) -> String {
    let MailboxStatus { serve, owners, items, bytes, nodes, lying } = status;
    let served = match serve.as_str() {
        "none" => "nobody".to_owned(),
        _ => format!("{serve}: {owners} owners, {items} items, {bytes} bytes"),
    };
    let own = if nodes.is_empty() { "none".to_owned() } else { nodes.len().to_string() };
    let mut text = pairs(&[("serves", served), ("own nodes", own)]);
    if !nodes.is_empty() {
        let number = |number: Option<u64>| number.map_or("?".to_owned(), |it| it.to_string());
        let row = |node: &MailboxNodeStatus| {
            let (left, items) = (number(node.prekeys_left), number(node.items_waiting));
            vec![node.peer_id.clone(), left, items, node.receipts_owed.to_string()]
        };
        text.push('\n');
        text.push_str(&table(
            &["MAILBOX NODE", "PREKEYS", "ITEMS", "OWED"],
            nodes.iter().map(row).collect(),
        ));
    }
    if !lying.is_empty() {
        let row =
            |it: &LyingStatus| vec![it.peer_id.clone(), it.node.clone(), it.messages.to_string()];
        text.push('\n');
        text.push_str(&table(
            &["RECEIVER", "LIES AT", "MESSAGES"],
            lying.iter().map(row).collect(),
        ));
    }
    text
}
