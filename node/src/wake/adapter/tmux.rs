//! A terminal in tmux in which the agent sits. Only the operator's own text is typed there, and the nonce.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::program;
use crate::config::NONCE;
use crate::wake::AdapterError;
use crate::wake::runner::Start;

/// A pane, and what is typed there.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) target: String,
    pub(super) text: String,
    pub(super) enter: bool,
    pub(super) socket: Option<String>,
    pub(super) program: PathBuf,
}

/// Types the text.
pub(super) async fn run(pane: &Pane, start: &Start) -> Result<(), AdapterError> {
    let text = pane.text.replace(NONCE, &start.call.nonce.to_string());
    // In a mode, such as the one for scrolling back, keys are commands of tmux and not the agent's.
    let ask = ["display-message", "-p", "-t", &pane.target, "#{pane_in_mode}"];
    if tmux(pane, start, &ask).await?.trim() == "1" {
        tmux(pane, start, &["send-keys", "-t", &pane.target, "-X", "cancel"]).await?;
    }
    tmux(pane, start, &["send-keys", "-t", &pane.target, "-l", "--", &text]).await?;
    if pane.enter {
        tmux(pane, start, &["send-keys", "-t", &pane.target, "Enter"]).await?;
    }
    Ok(())
}

async fn tmux(pane: &Pane, start: &Start, arguments: &[&str]) -> Result<String, AdapterError> {
    let mut all: Vec<&OsStr> = Vec::new();
    if let Some(socket) = &pane.socket {
        all.extend(["-L".as_ref(), OsStr::new(socket)]);
    }
    // A semicolon at the end of an argument would end tmux's command there.
    let safe: Vec<String> = arguments
        .iter()
        .map(|argument| match argument.strip_suffix(';') {
            Some(rest) => format!("{rest}\\;"),
            None => (*argument).to_owned(),
        })
        .collect();
    all.extend(safe.iter().map(OsStr::new));
    program::run(&pane.program, &all, start.timeout).await
}
