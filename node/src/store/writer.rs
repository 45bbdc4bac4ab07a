//! The way to the writing thread: what is to be written waits in one place, where a later change takes
//! the place of an earlier one, however long the disk takes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer_behaviours::Clock;
use peer_protocol::time::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::change::{Change, Unsaved};
use super::commits::Commits;
use super::durable::Durable;
use super::thread::{Pauses, Thread};
use super::{Store, StoreError, Written};

/// A write that takes longer is as bad as one that fails.
const SLOW: Duration = Duration::from_secs(10);

/// Writes that do not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// When the first of them began.
    pub(crate) since: Timestamp,
    /// Why the last one failed.
    pub(crate) error: StoreError,
}

/// Most bytes that wait for the disk because somebody waits for them. A full store refuses before it
/// accepts.
const MAX_SUBMITTED: usize = 64 << 20;
/// Most bytes of them in one transaction, unless one submission is larger.
const MAX_TRANSACTION: usize = 8 << 20;

/// Names what was submitted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What became of something that was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) ticket: Ticket,
    /// What became of each write. An error: nothing of it is on disk.
    pub(crate) outcome: Result<Vec<Written>, StoreError>,
}

/// Nothing more is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// The disk is slower than what comes.
    #[error("too much waits for the disk already")]
    Full,
    /// The node stops.
    #[error("the store is closed")]
    Closed,
}

/// How the writing thread ended: whether everything is on disk.
pub(crate) type Closed = oneshot::Receiver<Result<(), StoreError>>;

/// The way to the writing thread, which writes what is left and ends once this is closed or dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    closed: Option<Closed>,
    results: Option<mpsc::UnboundedReceiver<Committed>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the system has no thread left.
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::with_pauses(store, clock, Pauses::default())
    }

    pub(super) fn with_pauses(
        store: Store,
        clock: Arc<dyn Clock>,
        pauses: Pauses,
    ) -> Result<Self, StoreError> {
        let path = store.path().to_owned();
        let shared = Arc::new(Shared { path: path.clone(), ..Shared::default() });
        let (reports, results) = mpsc::unbounded_channel();
        let thread = Thread::new(store, Arc::clone(&shared), clock, pauses, reports);
        let (done, closed) = oneshot::channel();
        // Of tokio's threads a hanging one would keep a runtime from ending.
        let started = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            // The file is closed when this returns; whoever stops may not wait for it any more.
            let _ = done.send(thread.run());
        });
        started.map_err(|error| StoreError::unusable(&path, &error))?;
        Ok(Self { shared, closed: Some(closed), results: Some(results) })
    }

    /// Writes `changes` soon, all together or not at all. Never waits for the disk.
    pub(crate) fn write(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.shared.lock();
        for change in changes {
            state.unsaved.add(change);
        }
        self.shared.news.notify_one();
    }

    /// Where it is reported what became of what was submitted, in order. `None` after the first time.
    pub(crate) fn results(&mut self) -> Option<mpsc::UnboundedReceiver<Committed>> {
        self.results.take()
    }

    /// Another way to the thread, for whoever waits for what it writes by itself.
    pub(crate) fn submitter(&self) -> Submitter {
        Submitter { shared: Arc::clone(&self.shared) }
    }

    /// What is measured of commits.
    pub(crate) fn commits(&self) -> Commits {
        self.shared.commits.clone()
    }

    /// Whether something still waits, because the disk is slow or fails.
    pub(crate) fn is_behind(&self) -> bool {
        let state = self.shared.lock();
        !state.unsaved.is_empty() || state.trouble.is_some()
    }

    /// What is wrong, if writes fail or hang.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        let state = self.shared.lock();
        let hangs = |since: &Timestamp| now.distance(*since) >= SLOW;
        state.trouble.clone().or_else(|| {
            let since = state.writing.filter(hangs)?;
            let reason = format!("a write has not ended for {} s", now.distance(since).as_secs());
            Some(Trouble { since, error: StoreError::unusable(&self.shared.path, &reason) })
        })
    }

    /// Writes what is left, even if the disk failed a moment ago, and closes the file. What is written
    /// after this is lost. `None` if it was closed before.
    pub(crate) fn close(&mut self) -> Option<Closed> {
        self.shared.close();
        self.closed.take()
    }
}

/// The way to the writing thread for what is reported back.
#[derive(Debug, Clone)]
pub(crate) struct Submitter {
    shared: Arc<Shared>,
}

impl Submitter {
    /// Writes `writes` in order, in one transaction with others, and reports that. Never waits for the disk.
    ///
    /// # Errors
    /// [`Refused`]: nothing of it is written.
    pub(crate) fn submit(&self, writes: Vec<Durable>) -> Result<Ticket, Refused> {
        self.shared.submit(writes, None)
    }

    /// As [`Submitter::submit`], but only the one who has the outcome is told.
    ///
    /// # Errors
    /// [`Refused`]: nothing of it is written.
    pub(crate) fn submit_alone(&self, writes: Vec<Durable>) -> Result<Outcome, Refused> {
        let (told, outcome) = oneshot::channel();
        self.shared.submit(writes, Some(told))?;
        Ok(outcome)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What became of something whose submitter alone is told.
pub(crate) type Outcome = oneshot::Receiver<Result<(), StoreError>>;

/// What both sides see. The lock is never held over anything that waits.
#[derive(Debug, Default)]
pub(super) struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    news: Condvar,
    pub(super) commits: Commits,
}

/// What was submitted together.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) ticket: Ticket,
    pub(super) writes: Vec<Durable>,
    /// Bytes of memory, about.
    pub(super) len: usize,
    /// Who is told; the one who has the results if nobody else.
    pub(super) told: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// What to write next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) changes: Unsaved,
    pub(super) submitted: Vec<Submitted>,
    /// Whether nothing more will come.
    pub(super) last: bool,
}

#[derive(Debug, Default)]
struct State {
    unsaved: Unsaved,
    submitted: VecDeque<Submitted>,
    /// Of what was submitted and not reported yet.
    submitted_bytes: usize,
    next_ticket: u64,
    closed: bool,
    /// Since when a write has been under way.
    writing: Option<Timestamp>,
    trouble: Option<Trouble>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(
        &self,
        writes: Vec<Durable>,
        told: Option<oneshot::Sender<Result<(), StoreError>>>,
    ) -> Result<Ticket, Refused> {
        let len = writes.iter().map(Durable::len).sum();
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.submitted_bytes > 0 && state.submitted_bytes + len > MAX_SUBMITTED {
            return Err(Refused::Full);
        }
        state.submitted_bytes += len;
        let ticket = Ticket(state.next_ticket);
        state.next_ticket += 1;
        state.submitted.push_back(Submitted { ticket, writes, len, told });
        self.news.notify_one();
        Ok(ticket)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    /// Waits for something to write, or for so long if the disk just failed, unless somebody waits for
    /// what there is; not at all once this is closed.
    pub(super) fn next(&self, pause: Option<Duration>) -> Batch {
        let mut state = self.lock();
        state = match pause {
            None => {
                let idle = |state: &mut State| {
                    state.unsaved.is_empty() && state.submitted.is_empty() && !state.closed
                };
                self.news.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner)
            }
            Some(pause) => {
                let idle = |state: &mut State| state.submitted.is_empty() && !state.closed;
                let waited = self.news.wait_timeout_while(state, pause, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let mut batch = Batch { last: state.closed, ..Batch::default() };
        batch.changes = std::mem::take(&mut state.unsaved);
        let mut len = 0;
        while let Some(submitted) = state.submitted.front() {
            len += submitted.len;
            if len > MAX_TRANSACTION && !batch.submitted.is_empty() {
                break;
            }
            batch.submitted.extend(state.submitted.pop_front());
        }
        batch
    }

    /// Whether nothing waits any more.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().submitted.is_empty()
    }

    /// What took so many bytes was reported.
    pub(super) fn reported(&self, len: usize) {
        let mut state = self.lock();
        state.submitted_bytes = state.submitted_bytes.saturating_sub(len);
    }

    pub(super) fn begins(&self, now: Timestamp) {
        self.lock().writing = Some(now);
    }

    /// A write has ended. Returns since when writes had failed until now, if they had.
    pub(super) fn ended(&self, failed: Option<&StoreError>) -> Option<Timestamp> {
        let mut state = self.lock();
        let began = state.writing.take();
        let before = state.trouble.take().map(|trouble| trouble.since);
        if let Some(error) = failed {
            let since = before.or(began).unwrap_or_default();
            state.trouble = Some(Trouble { since, error: error.clone() });
        }
        before
    }
}
