//! The writing thread: one commit for all that came in while it was busy with the last.
//!
//! After a failed write redb refuses everything that follows, so that the file is opened anew. What
//! could not be written is kept, with what comes meanwhile, and tried again after pauses that grow.

use std::sync::Arc;
use std::time::Duration;

use peer_behaviours::Clock;
use redb::Database;

use super::change::Unsaved;
use super::commit::commit;
use super::place::Place;
use super::writer::Shared;
use super::{Store, StoreError};

/// Pauses between tries: they double.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

impl Pauses {
    /// The pause after so many failures in a row.
    fn after(self, failures: u32) -> Duration {
        let doubled = failures.saturating_sub(1).min(16);
        self.first.saturating_mul(1 << doubled).min(self.longest)
    }
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Thread {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    place: Place,
    /// None once it has failed, until it is opened again.
    database: Option<Database>,
    /// What could not be written.
    kept: Unsaved,
    failures: u32,
    pauses: Pauses,
}

impl Thread {
    pub(super) fn new(
        store: Store,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        pauses: Pauses,
    ) -> Self {
        let Store { database, place } = store;
        let (database, kept) = (Some(database), Unsaved::default());
        Self { shared, clock, place, database, kept, failures: 0, pauses }
    }

    /// Writes until the other side closes; then a last time. Says what became of that.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        loop {
            let failing = self.failures > 0;
            let pause = failing.then(|| self.pauses.after(self.failures));
            let (changes, last) = self.shared.next(pause);
            self.kept.merge(changes);
            let written = if self.kept.is_empty() { Ok(()) } else { self.write() };
            if last {
                return written;
            }
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.shared.begins(self.clock.now().timestamp);
        let written = self.try_write();
        let failing_since = self.shared.ended(written.as_ref().err());
        match (&written, failing_since) {
            (Ok(()), since) => {
                let lost = std::mem::take(&mut self.kept).lost();
                self.failures = 0;
                if let Some(since) = since {
                    let after_s = self.clock.now().timestamp.distance(since).as_secs();
                    tracing::warn!(after_s, "the store works again");
                }
                if lost > 0 {
                    tracing::warn!(lost, "changes that there was no room for were not saved");
                }
            }
            (Err(error), since) => {
                self.failures = self.failures.saturating_add(1);
                if since.is_none() {
                    let next = error.next_step();
                    tracing::error!(%error, next, "nothing can be saved; trying again and again");
                }
            }
        }
        written
    }

    fn try_write(&mut self) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.place.open()?,
        };
        // One that failed is dropped, and with it its lock on the file.
        commit(&database, self.kept.iter()).map_err(|failed| failed.at(self.place.path()))?;
        self.database = Some(database);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = Pauses::default();
        let seconds: Vec<_> = (1..=8).map(|n| pauses.after(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses.after(u32::MAX), pauses.longest);
    }
}
