//! `peer talk`

use std::time::Duration;

use peer_protocol::identity::EntityIdError;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::printable;
use super::{PeerArgs, content, millis};
use crate::api::{self, Client};
use crate::config::parse_duration;
use crate::model::{Answer, Content, ForwardedContent, ToForward};

/// Ask a peer's agent, wait, and print the answer
///
/// The answer goes to standard output exactly as it came; on a terminal, control characters are shown
/// as escapes. Exits with 1 if the agent says that it could not do it.
///
/// Without an answer within --timeout it exits with 5, but nothing is lost: the node keeps the message, goes
/// on trying for --ttl, and the answer will be in `peer inbox`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    peer: PeerArgs,
    #[arg(help = content::HELP)]
    message: Option<String>,
    /// Tie several messages to one conversation, by any name
    #[arg(long, value_name = "NAME")]
    conversation: Option<String>,
    /// How long the node keeps trying to deliver it: 30s, 10m, 2h, 7d; at most 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "volatile")]
    ttl: Option<Duration>,
    /// Keep it in memory only, and give it up after --timeout
    #[arg(long)]
    volatile: bool,
    /// PEER speaks only version 1.0, and this peer is its gateway: it reads message and answer, and
    /// passes them on
    #[arg(long, value_name = "GATEWAY")]
    through: Option<String>,
}

pub(super) async fn execute(
    args: Args,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let timeout = args.peer.timeout.timeout;
    let content = content::read(args.message.as_deref())?;
    let (peer, content) = match args.through {
        Some(gateway) => (gateway, forwarded(&args.peer.peer, content)?),
        None => (args.peer.peer, content),
    };
    let ask = api::Talk {
        peer,
        content,
        conversation: args.conversation,
        timeout_ms: args.peer.timeout.millis(),
        ttl_ms: args.ttl.and_then(millis),
        volatile: args.volatile,
    };
    let answer = super::patiently(output, timeout, client.talk(&ask)).await?;
    let answer = if output.json() { answer } else { unwrapped(answer) };
    if output.json() {
        output.document(&answer)?;
    } else if answer.done {
        print(&answer, output)?;
    } else {
        return Err(unable(&answer));
    }
    Ok(if answer.done { Exit::Ok } else { Exit::Failed })
}

/// What a gateway is to pass on to the version 1.0 peer `to`.
fn forwarded(to: &str, content: Content) -> Result<Content, CliError> {
    let next = "name the version 1.0 peer by its entity id, and the gateway by --through";
    let to = to.parse().map_err(|error: EntityIdError| {
        CliError::new("invalid", format!("{to:?}: {error}"), next)
    })?;
    let message = content.text.ok_or_else(|| {
        let detail = "version 1.0 carries text only, and this is not UTF-8".to_owned();
        CliError::new("invalid", detail, "send text")
    })?;
    Ok(ToForward { to, message }.to_content())
}

/// The words of a version 1.0 peer that a gateway brings.
fn unwrapped(answer: Answer) -> Answer {
    match ForwardedContent::read(&answer.content) {
        Some(said) => Answer { content: Content::from_bytes(said.message.as_bytes()), ..answer },
        None => answer,
    }
}

fn print(answer: &Answer, output: &mut Output) -> Result<(), CliError> {
    output.content(&bytes(&answer.content)?, answer.content.media_type())
}

/// The bytes of content that came from a node.
pub(super) fn bytes(content: &Content) -> Result<Vec<u8>, CliError> {
    content.to_bytes().map_err(|error| {
        CliError::new(
            "garbled",
            format!("the content that came is broken: {error}"),
            "check that command and node are of the same version: `peer status`",
        )
    })
}

fn unable(answer: &Answer) -> CliError {
    let said = answer.content.text.as_deref().unwrap_or_default().trim();
    let said = if said.is_empty() { "it does not say why" } else { said };
    CliError::new(
        "not_done",
        format!("{} could not do it: {}", answer.entity, printable(said)),
        "see what its agent says, and ask again",
    )
}
