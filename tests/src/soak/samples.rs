//! What a node's process takes, read from outside.

use std::path::Path;

use peer_node::metrics::Sample;

/// Most KiB of its store that a node keeps in memory (`node/src/store/place.rs`).
const MOST_CACHED: f64 = 8.0 * 1024.0;

/// One reading of a node.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// Seconds since the run began.
    pub at: f64,
    /// Resident memory, in KiB.
    pub resident: f64,
    /// The part of it that is no file's, in KiB: heap and stacks.
    pub own: f64,
    /// The part of that which may be the store's cache, in KiB: the file's length, up to the cache's.
    pub cached: f64,
    /// Open file descriptors without those of TCP connections to peers.
    pub files: f64,
    /// Threads.
    pub threads: f64,
    /// Tasks of the runtime.
    pub tasks: f64,
    /// Sessions.
    pub sessions: f64,
    /// Connections to peers.
    pub connections: f64,
    /// Peers that it remembers.
    pub known: f64,
    /// Messages in outbox and inbox, volatile ones included.
    pub queued: f64,
    /// Processor time so far, in seconds.
    pub cpu: f64,
}

impl Levels {
    /// Its own memory without the store's cache, which fills with time, and then is full.
    #[must_use]
    pub fn rest(&self) -> f64 {
        self.own - self.cached
    }
}

/// Reads them of the node on `dir`; none if the process is gone.
pub(super) fn read(at: f64, pid: u32, dir: &Path, samples: &[Sample]) -> Option<Levels> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    let file = std::fs::metadata(dir.join("state.redb")).ok()?;
    let sum = |name: &str, label: &str, value: &str| -> f64 {
        let matching = samples.iter().filter(|sample| sample.name == name);
        let matching = matching.filter(|sample| label.is_empty() || sample.label(label) == value);
        matching.map(|sample| sample.value).sum()
    };
    let all = |name: &str| sum(name, "", "");
    Some(Levels {
        at,
        resident: field("VmRSS:")?,
        own: field("RssAnon:")?,
        cached: (file.len() as f64 / 1024.0).min(MOST_CACHED),
        files: open as f64 - sum("peer_connections", "transport", "tcp"),
        threads: field("Threads:")?,
        tasks: all("peer_tasks"),
        sessions: all("peer_sessions"),
        connections: all("peer_connections"),
        known: all("peer_known_peers"),
        queued: all("peer_queue_messages") + all("peer_unsettled_messages"),
        cpu: all("process_cpu_seconds_total"),
    })
}
