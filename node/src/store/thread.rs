//! The writing thread: one commit for all that came in while it was busy with the last.
//!
//! After a failed write redb refuses everything that follows, so that the file is opened anew, unless what failed
//! was a sync: then nothing is written any more. Whoever waits is told that it failed. What is only to be remembered is kept, with what comes meanwhile, and
//! tried again after pauses that grow.

use std::sync::Arc;
use std::time::Duration;

use peer_behaviours::Clock;
use peer_protocol::time::Instant;
use tokio::sync::mpsc;

use super::change::Unsaved;
use super::writer::{Batch, Committed, Shared, Submitted};
use super::{Store, StoreError, Written};

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

/// With the disk failing, what somebody waits for is tried no more often than this; in between it fails
/// at once.
const PROBE: Duration = Duration::from_secs(1);

/// How often it is written down for how long the node has run.
const COUNTED: Duration = Duration::from_secs(3_600);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Thread {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    store: Store,
    /// Until when it is written down for how long the node has run.
    counted: Instant,
    /// What could not be written.
    kept: Unsaved,
    failures: u32,
    /// When and why a write last failed, if the last one did.
    failed: Option<(Instant, StoreError)>,
    pauses: Pauses,
    results: mpsc::UnboundedSender<Committed>,
}

impl Thread {
    pub(super) fn new(
        store: Store,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        pauses: Pauses,
        results: mpsc::UnboundedSender<Committed>,
    ) -> Self {
        let (kept, counted) = (Unsaved::default(), clock.now().instant);
        Self { shared, clock, store, counted, kept, failures: 0, failed: None, pauses, results }
    }

    /// Writes until the other side closes; then a last time. Says what became of that.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        let result = loop {
            let pause = self.failed.is_some().then(|| self.pauses.after(self.failures));
            let Batch { changes, submitted, last } = self.shared.next(pause);
            self.kept.merge(changes);
            if let Some(error) = self.just_failed()
                && !submitted.is_empty()
                && !last
            {
                self.report(submitted, &Err(error));
                continue;
            }
            let nothing = self.kept.is_empty() && submitted.is_empty();
            let written = if nothing { Ok(()) } else { self.write(submitted) };
            if last && self.shared.is_empty() {
                break written;
            }
        };
        self.store.inner.close();
        result
    }

    /// Why nothing can be written, if that was found out a moment ago.
    fn just_failed(&self) -> Option<StoreError> {
        let (at, error) = self.failed.as_ref()?;
        let ago = self.clock.now().instant.since(*at);
        (ago < PROBE.min(self.pauses.after(self.failures))).then(|| error.clone())
    }

    fn write(&mut self, submitted: Vec<Submitted>) -> Result<(), StoreError> {
        let begun = self.clock.now();
        self.shared.begins(begun.timestamp);
        let written = self.try_write(&submitted);
        let took = self.clock.now().instant.since(begun.instant);
        let writes = submitted.iter().map(|submitted| submitted.writes.len()).sum();
        let bytes = submitted.iter().map(|submitted| submitted.len).sum();
        self.shared.commits.count(took, (writes, bytes), written.is_ok());
        self.shared.commits.cached(self.store.inner.cached_bytes());
        let failing_since = self.shared.ended(written.as_ref().err());
        match (&written, failing_since) {
            (Ok(_), since) => {
                let lost = std::mem::take(&mut self.kept).lost();
                (self.failures, self.failed) = (0, None);
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
                self.failed = Some((self.clock.now().instant, error.clone()));
                if since.is_none() {
                    let next = error.next_step();
                    tracing::error!(%error, next, "nothing can be saved");
                }
            }
        }
        self.report(submitted, &written);
        written.map(drop)
    }

    /// Returns what became of each write that was submitted, one after another.
    fn try_write(&mut self, submitted: &[Submitted]) -> Result<Vec<Written>, StoreError> {
        let now = self.clock.now().instant;
        let ran = Some(now.since(self.counted)).filter(|ran| *ran >= COUNTED);
        let written = self.store.transact(|tables| {
            if let Some(ran) = ran {
                tables.delivery()?.run_on(ran)?;
            }
            for change in self.kept.iter() {
                tables.change(change)?;
            }
            let writes = submitted.iter().flat_map(|submitted| &submitted.writes);
            writes.map(|write| tables.durable(write)).collect::<Result<_, _>>()
        })?;
        if ran.is_some() {
            self.counted = now;
        }
        Ok(written)
    }

    fn report(&self, submitted: Vec<Submitted>, written: &Result<Vec<Written>, StoreError>) {
        let mut each = written.as_ref().map(|written| written.iter().copied());
        for Submitted { ticket, writes, len, told } in submitted {
            let outcome = match &mut each {
                Ok(each) => Ok(each.take(writes.len()).collect()),
                Err(error) => Err(error.clone()),
            };
            // Whoever stops does not listen any more.
            let _ = match told {
                Some(told) => told.send(outcome.map(|_: Vec<Written>| ())).is_ok(),
                None => self.results.send(Committed { ticket, outcome }).is_ok(),
            };
            self.shared.reported(len);
        }
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
