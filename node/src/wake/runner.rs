//! Adapters at work: each start is a task of its own, which says once how it ended.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::adapter;
use super::{AdapterError, Call};
use crate::config::{Adapter, WakeRule};

/// Places for reports; a task waits for one.
const REPORTS: usize = 64;

/// What a run started has ended.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) run: u64,
    pub(crate) result: Result<(), AdapterError>,
}

/// What is known of the agent that a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing yet.
    Wait,
    /// It is awake: what was started goes on.
    Release,
    /// It is not: what was started is stopped.
    Stop,
}

/// Waits for the word.
#[derive(Debug, Clone)]
pub(super) struct Verdict(watch::Receiver<Word>);

impl Verdict {
    /// Whether what was started goes on; an event loop that is gone wants nothing to.
    pub(super) async fn release(&mut self) -> bool {
        let word = self.0.wait_for(|word| *word != Word::Wait).await.map(|word| *word);
        word.unwrap_or_else(|_| *self.0.borrow()) == Word::Release
    }

    /// Waits until what was released is to be stopped after all.
    pub(super) async fn stop(&mut self) {
        if self.0.wait_for(|word| *word == Word::Stop).await.is_err() {
            // Released for good: the node ends, and the agent lives on.
            std::future::pending::<()>().await;
        }
    }
}

/// One start of an adapter.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) adapter: Adapter,
    pub(super) call: Call,
    pub(super) timeout: Duration,
    /// Whether what is started there already is known to be stuck.
    pub(super) replaces: bool,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) verdict: Verdict,
}

/// Starts adapters.
#[derive(Debug)]
pub(crate) struct Runner {
    rules: Vec<WakeRule>,
    data_dir: Option<PathBuf>,
    words: HashMap<u64, watch::Sender<Word>>,
    report: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
}

impl Runner {
    pub(crate) fn new(rules: &[WakeRule], data_dir: Option<PathBuf>) -> Self {
        let (report, reports) = mpsc::channel(REPORTS);
        Self { rules: rules.to_vec(), data_dir, words: HashMap::new(), report, reports }
    }

    /// Starts the adapter of `rule`; [`Self::next`] tells when it has ended.
    pub(crate) fn start(
        &mut self,
        rule: usize,
        run: u64,
        call: Call,
        timeout: Duration,
        replaces: bool,
    ) {
        let Some(adapter) = self.rules.get(rule).map(|rule| rule.adapter.clone()) else { return };
        let (word, verdict) = watch::channel(Word::Wait);
        self.words.insert(run, word);
        let (report, data_dir) = (self.report.clone(), self.data_dir.clone());
        let verdict = Verdict(verdict);
        let rule = rule + 1;
        tracing::info!(rule, %adapter, from = %call.from, attempt = call.attempt, "waking the agent");
        let start = Start { adapter, call, timeout, replaces, data_dir, verdict };
        tokio::spawn(async move {
            let result = adapter::run(start).await;
            match &result {
                Ok(()) => tracing::debug!(rule, "what wakes the agent has ended"),
                Err(error) => {
                    tracing::warn!(rule, %error, reason = error.reason(), "the agent was not woken");
                }
            }
            // An event loop that is gone does not need to know.
            let _ = report.send(Report { run, result }).await;
        });
    }

    /// The agent of a run is awake.
    pub(crate) fn release(&self, run: u64) {
        self.tell(run, Word::Release);
    }

    /// What a run started is stopped.
    pub(crate) fn stop(&self, run: u64) {
        self.tell(run, Word::Stop);
    }

    fn tell(&self, run: u64, word: Word) {
        if let Some(words) = self.words.get(&run) {
            // A task that has ended does not need to know.
            let _ = words.send(word);
        }
    }

    /// The next that has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let report = self.reports.recv().await?;
        self.words.remove(&report.run);
        Some(report)
    }
}
