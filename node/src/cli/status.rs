//! `peer status`

use super::error::CliError;
use super::exit::Exit;
use super::id::identity;
use super::output::Output;
use super::text::{pairs, size, span};
use crate::api::Client;
use crate::model::{QueueDepth, Status};

/// Show the running node: who it is, where it listens, how busy it is
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn execute(
    _: &Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let status = client.status().await?;
    output.show(&status, describe)?;
    Ok(Exit::Ok)
}

fn describe(status: &Status) -> String {
    let identity = identity(&status.entity, &status.fingerprint, &status.peer_id);
    let pairs = pairs(&[
        ("version", status.version.clone()),
        ("up", span(status.uptime_ms)),
        ("peers", format!("{} connected, {} with a session", status.connected, status.sessions)),
        ("agents", format!("{} listening", status.agents)),
        ("waiting", format!("{} messages for an agent", status.waiting)),
        ("inbox", format!("{} on disk", depth(&status.inbox))),
        ("outbox", format!("{} not settled", depth(&status.outbox))),
        ("transfers", format!("{} open", status.transfers)),
    ]);
    format!("{identity}{pairs}{}", addresses(&status.listen))
}

fn depth(queue: &QueueDepth) -> String {
    format!("{} messages, {}", queue.messages, size(queue.bytes))
}

/// Addresses for people, one a line, ready to copy.
pub(super) fn addresses(listen: &[String]) -> String {
    if listen.is_empty() {
        return "listens nowhere: it can only dial\n".to_owned();
    }
    let lines: String = listen.iter().map(|address| format!("  {address}\n")).collect();
    format!("listens on\n{lines}")
}
