//! What the process takes of the machine, under the names that Prometheus's own clients use.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// This process. What the system does not tell is left out.
#[derive(Debug)]
pub(super) struct Process {
    /// Seconds since the epoch.
    started: f64,
}

impl Process {
    pub(super) fn begun() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self { started: since.unwrap_or_default().as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: f64| {
            let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        let (bytes, seconds) = (Some(&Unit::Bytes), Some(&Unit::Seconds));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(kib) = field(&status, "VmRSS:") {
            gauge("process_resident_memory", "Memory in use.", bytes, kib * 1024.0)?;
        }
        if let Some(kib) = field(&status, "VmSize:") {
            gauge("process_virtual_memory", "Address space in use.", bytes, kib * 1024.0)?;
        }
        if let Some(threads) = field(&status, "Threads:") {
            gauge("process_threads", "Threads.", None, threads)?;
        }
        // Whoever asks is a task of the node's own runtime.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = u32::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(u32::MAX);
            gauge("peer_tasks", "Tasks of the runtime.", None, tasks.into())?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // One of them is that directory.
            let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
            gauge("process_open_fds", "Open file descriptors.", None, open.into())?;
        }
        if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let most = f64::from(u32::try_from(most).unwrap_or(u32::MAX));
            gauge("process_max_fds", "Most file descriptors that it may open.", None, most)?;
        }
        gauge("process_start_time", "When the node was started.", seconds, self.started)?;
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let used = of(usage.user_time()) + of(usage.system_time());
            let help = "Processor time, of the program and of the system for it.";
            let counter = MetricType::Counter;
            let metric = encoder.encode_descriptor("process_cpu", help, seconds, counter)?;
            ConstCounter::new(used).encode(metric)?;
        }
        Ok(())
    }
}

/// The number of a line of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn of(time: TimeVal) -> f64 {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default());
    let micros = Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or_default());
    (seconds + micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_status_are_read() {
        let status = "Name:\tpeer\nVmSize:\t  4096 kB\nVmRSS:\t     10 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(10.0));
        assert_eq!(field(status, "Threads:"), Some(7.0));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(field("Threads:\n", "Threads:"), None);
    }
}
