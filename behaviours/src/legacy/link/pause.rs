//! When to go on after a failure.

use std::time::Duration;

use peer_protocol::time::Instant;

/// Pauses between attempts.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// When to go on.
#[derive(Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    failures: u32,
    /// Whether the peer's name was learnt since the last session.
    pub(super) learnt: bool,
}

impl Pause {
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now);
        self.until.is_none()
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Pauses for as long as is asked, or longer with every failure.
    pub(super) fn after(&mut self, pause: Option<Duration>, now: Instant) {
        let pause = pause.unwrap_or_else(|| {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10));
            self.failures = self.failures.saturating_add(1);
            doubled.min(MAX_BACKOFF)
        });
        self.until = Some(now + pause);
    }
}
