//! How far files are: bars on a terminal, lines elsewhere, documents for programs.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::text::{printable, size};
use crate::cli::transfers::left;
use crate::model::{TransferState, TransferStatus};

/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} {bar:24} {bytes}/{total_bytes} {prefix}";

/// What was told last of one file.
struct Told {
    state: Option<TransferState>,
    done: u64,
    at: Instant,
}

/// How far all files are.
pub(super) struct Progress {
    json: bool,
    bars: Option<MultiProgress>,
    each: HashMap<String, (ProgressBar, Told)>,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let terminal = !json && std::io::stderr().is_terminal();
        let bars = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { json, bars: terminal.then(bars), each: HashMap::new() }
    }

    pub(super) fn add(&mut self, status: &TransferStatus) {
        let bar = match &self.bars {
            Some(bars) => bars.add(ProgressBar::new(status.size)),
            None => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name(status));
        let told = Told { state: None, done: 0, at: Instant::now() };
        self.each.insert(status.id.clone(), (bar, told));
    }

    /// Tells how far a file is, if that is news.
    pub(super) fn tell(
        &mut self,
        status: &TransferStatus,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let Some((bar, told)) = self.each.get_mut(&status.id) else { return Ok(()) };
        let moved = told.state != Some(status.state);
        if self.json && (moved || told.done != status.done) {
            output.document(status)?;
        } else if self.bars.is_some() {
            bar.set_position(status.done);
            bar.set_prefix(what_next(status));
            if status.state.is_over() {
                bar.finish();
            }
        } else if !self.json && (moved || told.at.elapsed() >= LINE) {
            output.note(&line(status));
            told.at = Instant::now();
        }
        told.state = Some(status.state);
        told.done = status.done;
        Ok(())
    }

    /// Leaves the bars as they are.
    pub(super) fn end(&self) {
        for (bar, _) in self.each.values() {
            if !bar.is_finished() {
                bar.abandon();
            }
        }
    }
}

fn name(status: &TransferStatus) -> String {
    printable(status.name.as_deref().unwrap_or("-"))
}

fn line(status: &TransferStatus) -> String {
    let (done, all) = (size(status.done), size(status.size));
    match status.state {
        TransferState::Complete => format!("{}: {} has it, {all}", name(status), status.peer),
        _ => format!("{}: {done} of {all}, {}", name(status), what_next(status)),
    }
}

/// The rate and the time left, or what it waits for.
fn what_next(status: &TransferStatus) -> String {
    match status.state {
        TransferState::Running => match left(status) {
            Some(left) => format!("{}/s, {left} left", size(status.rate)),
            None => "waiting for the peer".to_owned(),
        },
        TransferState::Queued => "behind others".to_owned(),
        TransferState::Hashing => "reading it".to_owned(),
        TransferState::Offered => "offered".to_owned(),
        TransferState::Verifying => "checking it".to_owned(),
        TransferState::Complete => "done".to_owned(),
        TransferState::Cancelled | TransferState::Failed => status.state.as_str().to_owned(),
    }
}
