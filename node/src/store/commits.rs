//! What the writing thread measures of itself.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Measurements of commits. Clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    duration: Histogram,
    writes: Histogram,
    bytes: Counter,
    failed: Counter,
    cached: Gauge,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            writes: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            bytes: Counter::default(),
            failed: Counter::default(),
            cached: Gauge::default(),
        }
    }
}

impl Commits {
    /// One commit: how long it took, how many writes that somebody waits for were in it, their bytes of
    /// memory, and whether it came about.
    pub(super) fn count(&self, took: Duration, (writes, bytes): (usize, usize), done: bool) {
        self.duration.observe(took.as_secs_f64());
        if done {
            self.writes.observe(f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
            self.bytes.inc_by(bytes as u64);
        } else {
            self.failed.inc();
        }
    }

    /// So much of the file is in memory now.
    pub(super) fn cached(&self, bytes: usize) {
        self.cached.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "How long commits of the store took, those that failed included";
        let duration = self.duration.clone();
        registry.register_with_unit("store_commit_duration", help, Unit::Seconds, duration);
        let help = "Messages and other writes that somebody waited for, in each commit";
        registry.register("store_commit_writes", help, self.writes.clone());
        let help = "What these writes took in memory";
        registry.register_with_unit("store_committed", help, Unit::Bytes, self.bytes.clone());
        let help = "What is kept in memory of the file";
        registry.register_with_unit("store_cached", help, Unit::Bytes, self.cached.clone());
        let help = "Commits that failed";
        registry.register("store_commits_failed", help, self.failed.clone());
    }
}
