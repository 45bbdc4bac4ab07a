//! Connections that have not shown the token yet. Anybody on this machine can open them, so they have
//! fewer places than others, and the oldest one makes room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Whether a connection has shown the token. Its requests carry it.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Shown(Arc<AtomicBool>);

impl Shown {
    /// A request had the token.
    pub(in crate::api) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Those that have not, the oldest first.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    all: VecDeque<(Shown, AbortHandle)>,
}

impl Strangers {
    /// At most so many.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, all: VecDeque::new() }
    }

    /// Whether there is no room for one more.
    pub(super) fn is_full(&mut self) -> bool {
        self.forget();
        self.all.len() >= self.most
    }

    pub(super) fn add(&mut self, shown: Shown, task: AbortHandle) {
        self.all.push_back((shown, task));
    }

    /// Closes the oldest one. False if there is none.
    pub(super) fn close_oldest(&mut self) -> bool {
        self.forget();
        let oldest = self.all.pop_front();
        oldest.inspect(|(_, task)| task.abort()).is_some()
    }

    /// Those that are none any more.
    fn forget(&mut self) {
        self.all.retain(|(shown, task)| !shown.is_set() && !task.is_finished());
    }
}
