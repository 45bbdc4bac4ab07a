//! What a node's process takes, read from outside.

use peer_node::metrics::Sample;

/// One reading of a node.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// Seconds since the run began.
    pub at: f64,
    /// Resident memory, in KiB.
    pub resident: f64,
    /// The part of it that is no file's, in KiB: heap and stacks.
    pub own: f64,
    /// The part of that which is the store's cache, in KiB.
    pub cached: f64,
    /// Open file descriptors without those of TCP connections to peers.
    pub files: f64,
    /// Threads.
    pub threads: f64,
    /// Tasks of the runtime.
    pub tasks: f64,
    /// Sessions that are in use.
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
    /// Its own memory without the store's cache, which fills as the file grows, and then is full.
    #[must_use]
    pub fn rest(&self) -> f64 {
        self.own - self.cached
    }
}

/// Reads them; none if the process is gone.
pub(super) fn read(at: f64, pid: u32, samples: &[Sample]) -> Option<Levels> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
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
        cached: all("peer_store_cached_bytes") / 1024.0,
        files: open as f64 - sum("peer_connections", "transport", "tcp"),
        threads: field("Threads:")?,
        tasks: all("peer_tasks"),
        sessions: sum("peer_sessions", "state", "READY") + sum("peer_sessions", "state", "ACTIVE"),
        connections: all("peer_connections"),
        known: all("peer_known_peers"),
        queued: all("peer_queue_messages") + all("peer_unsettled_messages"),
        cpu: all("process_cpu_seconds_total"),
    })
}
