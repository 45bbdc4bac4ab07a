//! The way to the writing thread: what is to be written waits in one place, where a later change takes
//! the place of an earlier one, however long the disk takes.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peer_behaviours::Clock;
use peer_protocol::time::Timestamp;
use tokio::sync::oneshot;

use super::change::{Change, Unsaved};
use super::thread::{Pauses, Thread};
use super::{Store, StoreError};

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

/// How the writing thread ended: whether everything is on disk.
pub(crate) type Closed = oneshot::Receiver<Result<(), StoreError>>;

/// The way to the writing thread, which writes what is left and ends once this is closed or dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    closed: Option<Closed>,
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
        let path = store.place.path().to_owned();
        let shared = Arc::new(Shared { path: path.clone(), ..Shared::default() });
        let thread = Thread::new(store, Arc::clone(&shared), clock, pauses);
        let (done, closed) = oneshot::channel();
        // Of tokio's threads a hanging one would keep a runtime from ending.
        let started = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            // The file is closed when this returns; whoever stops may not wait for it any more.
            let _ = done.send(thread.run());
        });
        started.map_err(|error| StoreError::unusable(&path, &error))?;
        Ok(Self { shared, closed: Some(closed) })
    }

    /// Writes `changes` soon, all together or not at all. Never waits for the disk.
    pub(crate) fn write(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.shared.lock();
        for change in changes {
            state.unsaved.add(change);
        }
        self.shared.news.notify_one();
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

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What both sides see. The lock is never held over anything that waits.
#[derive(Debug, Default)]
pub(super) struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    unsaved: Unsaved,
    closed: bool,
    /// Since when a write has been under way.
    writing: Option<Timestamp>,
    trouble: Option<Trouble>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    /// Waits for something to write, or for so long if the disk just failed; not at all once this is
    /// closed. Returns what there is, and whether it is the last.
    pub(super) fn next(&self, pause: Option<Duration>) -> (Unsaved, bool) {
        let mut state = self.lock();
        state = match pause {
            None => {
                let idle = |state: &mut State| state.unsaved.is_empty() && !state.closed;
                self.news.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner)
            }
            Some(pause) => {
                let open = |state: &mut State| !state.closed;
                let waited = self.news.wait_timeout_while(state, pause, open);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        (std::mem::take(&mut state.unsaved), state.closed)
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
