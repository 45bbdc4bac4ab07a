//! What wakes the agent. Nothing that a peer chose becomes part of a command, an argument, a path, a URL or
//! a header; it is in variables and in JSON.

mod command;
mod program;
mod systemd;
mod tmux;
mod webhook;

use super::AdapterError;
use super::runner::Start;
use crate::config::Adapter;

/// Does what `start` asks for; ends when that has ended.
pub(super) async fn run(start: Start) -> Result<(), AdapterError> {
    match start.adapter.clone() {
        Adapter::Command { command, .. } => command::run(&command, start).await,
        Adapter::Systemd { unit, user, program } => {
            systemd::run(&systemd::Unit { unit, user, program }, start).await
        }
        Adapter::Tmux { target, text, enter, socket, program } => {
            tmux::run(&tmux::Pane { target, text, enter, socket, program }, &start).await
        }
        Adapter::Webhook { url, token_file } => {
            webhook::run(url, token_file.as_deref(), &start).await
        }
        // The message in the inbox is all.
        Adapter::Client => Ok(()),
    }
}

#[cfg(test)]
mod tests;
