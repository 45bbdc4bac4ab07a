//! What the commands about kept messages have in common.

use comfy_table::Color;
use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::printable;
use crate::api::ClientError;
use crate::model::{Content, Delivery, Failure, IncomingKind};

/// Words for a kind of message in a listing.
pub(super) const fn kind(kind: IncomingKind) -> &'static str {
    match kind {
        IncomingKind::Task => "task",
        IncomingKind::StatusReport => "report",
        IncomingKind::WakeUp => "wake-up",
        IncomingKind::Answer => "answer",
        IncomingKind::File => "file",
    }
}

/// The colour of a status: at its receiver, on its way, lost.
pub(super) fn color(status: &str) -> Option<Color> {
    match status {
        "received" | "delivered" | "processed" => Some(Color::Green),
        "queued" | "sent" => Some(Color::Yellow),
        "expired" | "unknown" | "failed" => Some(Color::Red),
        _ => None,
    }
}

/// A status, and what it means.
pub(super) fn status(status: &Delivery) -> String {
    let meaning = match status {
        Delivery::Queued => "on disk here, not sent yet",
        Delivery::Sent => "it may have been sent; no receipt yet",
        Delivery::Received => "the peer's node has it in memory",
        Delivery::Delivered => "the peer's node has stored it",
        Delivery::Processed => "the peer's agent took it",
        Delivery::Expired => "its time ran out before it could be sent",
        Delivery::Unknown => "it may have been sent, and nobody can tell what became of it",
        Delivery::Failed { code, detail } => {
            return format!("failed: the peer refused it: {code}: {detail}");
        }
        Delivery::Cancelled => "withdrawn before it was sent",
    };
    format!("{}: {meaning}", status.as_str())
}

/// Content, indented, so that it cannot pass for the head of another message.
pub(super) fn shown(content: &Content) -> String {
    match (&content.text, content.to_bytes()) {
        (Some(text), _) => text.lines().map(|line| format!("  {line}\n")).collect(),
        (None, Ok(bytes)) => {
            format!("  <{} bytes of {}>\n", bytes.len(), content.media_type())
        }
        (None, Err(_)) => "  <broken content>\n".to_owned(),
    }
}

/// What came of several messages, each for itself.
#[derive(Debug, Serialize)]
pub(super) struct Each<T> {
    /// Those with which it went well.
    messages: Vec<T>,
    /// The others.
    errors: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    id: String,
    error: Failure,
}

impl<T: Serialize> Each<T> {
    pub(super) const fn new() -> Self {
        Self { messages: Vec::new(), errors: Vec::new() }
    }

    /// Takes in what came of one.
    pub(super) fn add(&mut self, id: String, result: Result<T, ClientError>) {
        match result {
            Ok(message) => self.messages.push(message),
            Err(error) => self.errors.push(Refused { id, error: error.into_failure() }),
        }
    }

    /// Tells all; the first failure decides how the command ends.
    pub(super) fn tell(
        &self,
        output: &mut Output,
        human: impl Fn(&T) -> String,
    ) -> Result<Exit, CliError> {
        if output.json() {
            output.document(self)?;
        } else {
            for message in &self.messages {
                output.line(&printable(&human(message)))?;
            }
            for refused in &self.errors {
                output.failure(&refused.error);
            }
        }
        Ok(self.errors.first().map_or(Exit::Ok, |first| Exit::of_kind(&first.error.kind)))
    }
}

/// What follows a page that is not the last.
pub(super) fn more(shown: usize, total: u64, next: Option<&str>) -> String {
    next.map_or_else(String::new, |next| {
        format!(
            "{shown} of {total}; the rest with --after {}, or more at once with --limit\n",
            printable(next)
        )
    })
}
