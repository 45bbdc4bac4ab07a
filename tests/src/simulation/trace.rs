//! What happened, for whoever looks into one seed.

use std::time::Duration;

use peer_protocol::time::Instant;

/// Prints what happens, if `SIM_SEED` picks a single run.
#[derive(Debug)]
pub(super) struct Trace {
    on: bool,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { on: std::env::var_os("SIM_SEED").is_some() }
    }

    #[expect(clippy::print_stderr, reason = "for the person who asked for this one seed")]
    pub(super) fn note(&self, now: Instant, line: impl FnOnce() -> String) {
        if self.on {
            let at = now.since(Instant::from_start(Duration::ZERO));
            eprintln!("{:>12.6} {}", at.as_secs_f64(), line());
        }
    }
}
