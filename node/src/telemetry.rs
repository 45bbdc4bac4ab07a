//! Logs: on standard error, as text or as JSON; the last lines are kept for the local API.

mod calm;
pub(crate) mod recent;

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// How much is logged, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// 0: warnings, and information from this program's own crates; 1: their debugging, with each
    /// handshake step and its state; 2 and more: their traces, and debugging of all libraries.
    pub verbosity: u8,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Colours, for text.
    pub color: bool,
}

impl Telemetry {
    /// The filter; `RUST_LOG` wins over the verbosity.
    #[must_use]
    pub fn directives(self, rust_log: Option<&str>) -> String {
        if let Some(rust_log) = rust_log.filter(|value| !value.trim().is_empty()) {
            return rust_log.to_owned();
        }
        let (others, own) = match self.verbosity {
            0 => ("warn", "info"),
            1 => ("warn", "debug"),
            _ => ("debug", "trace"),
        };
        let own = ["peer", "peer_node", "peer_behaviours", "peer_protocol"]
            .map(|target| format!(",{target}={own}"));
        // It warns of a table without peers, which is how every node begins.
        let kad = if self.verbosity < 2 { ",libp2p_kad=error" } else { "" };
        format!("{others}{kad}{}", own.concat())
    }

    /// Starts logging for the whole process. Does nothing if something else logs already, as it may
    /// in a program that embeds a node.
    pub fn start(self) {
        let rust_log = std::env::var("RUST_LOG").ok();
        let filter = EnvFilter::builder().parse_lossy(self.directives(rust_log.as_deref()));
        let ansi = self.color && std::io::stderr().is_terminal();
        let calm = calm::Calm::default();
        let lines = fmt::layer().with_writer(calm.clone().writer(self.json)).with_ansi(ansi);
        let lines = if self.json { lines.json().boxed() } else { lines.boxed() };
        let log = tracing_subscriber::registry().with(filter).with(calm);
        let log = log.with(lines).with(recent::layer());
        let _ = log.try_init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_wins_over_verbosity() {
        let loud = Telemetry { verbosity: 2, ..Telemetry::default() };
        assert_eq!(loud.directives(Some("error")), "error");
        assert!(loud.directives(Some(" ")).contains("peer_node=trace"));
        assert!(loud.directives(None).starts_with("debug,"));
        let plain = Telemetry::default().directives(None);
        assert!(plain.starts_with("warn,") && plain.contains("peer_behaviours=info"), "{plain}");
    }
}
