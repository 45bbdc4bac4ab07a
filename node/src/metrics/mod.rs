//! What the node counts and measures, in the text format of OpenMetrics, for Prometheus (`docs/metrics.md`).
//!
//! Counting touches atomics. A scrape reads those and what the event loop has laid out within the last second:
//! neither waits for the other. Labels are words of this program, never of peers, so that there are never more
//! series than the program has words.

mod counted;
mod gateway;
mod http;
mod levels;
mod libp2p;
mod process;
mod samples;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use peer_protocol::rate_limit::LimitHits;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use self::counted::{Counted, DialEnd, began};
pub(crate) use self::levels::{DhtLevels, Levels, MailLevels, Published};

pub use self::http::{CONTENT_TYPE, PATH, router};
pub use self::samples::{BadSample, Sample, samples};

use self::levels::Level;
use self::libp2p::Libp2p;
use self::process::Process;
use crate::gateway::Counts;
use crate::store::Commits;

/// What is counted elsewhere.
pub(crate) struct Sources {
    pub(crate) limit_hits: Arc<LimitHits>,
    pub(crate) commits: Commits,
    pub(crate) gateway: Arc<Counts>,
}

/// The measurements of one node. Clones are of the same.
#[derive(Clone)]
pub struct Metrics(Arc<Shared>);

struct Shared {
    registry: Registry,
    libp2p_registry: Registry,
    counted: Counted,
    levels: Arc<Published>,
    libp2p: Libp2p,
}

impl Metrics {
    pub(crate) fn new(sources: Sources) -> Self {
        let Sources { limit_hits, commits, gateway } = sources;
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix("peer");
        let version = [("version", env!("CARGO_PKG_VERSION")), ("crypto", crypto())];
        own.register("build", "The program", Info::new(version));
        let counted = Counted::register(own);
        commits.register(own);
        own.register_collector(Box::new(counted::Limited(limit_hits)));
        own.register_collector(Box::new(gateway::Collected(gateway)));
        let levels = Arc::new(Published::default());
        own.register_collector(Box::new(Level(Arc::clone(&levels))));
        registry.register_collector(Box::new(Process::begun()));
        let mut libp2p_registry = Registry::default();
        let libp2p = Libp2p::register(&mut libp2p_registry);
        Self(Arc::new(Shared { registry, libp2p_registry, counted, levels, libp2p }))
    }

    /// All of it, as [`CONTENT_TYPE`] says. Reads the process's own figures from the system, which takes
    /// some microseconds.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes all that is written to it.
        let _ = encode_registry(&mut text, &self.0.registry);
        let mut of_libp2p = String::new();
        let _ = encode_registry(&mut of_libp2p, &self.0.libp2p_registry);
        libp2p::append_fed(&mut text, &of_libp2p);
        let _ = encode_eof(&mut text);
        text
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.0.counted
    }

    pub(crate) fn levels(&self) -> &Arc<Published> {
        &self.0.levels
    }

    pub(crate) fn libp2p(&self) -> &Libp2p {
        &self.0.libp2p
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

const fn crypto() -> &'static str {
    if cfg!(feature = "fast-crypto") { "aws-lc" } else { "rust" }
}
