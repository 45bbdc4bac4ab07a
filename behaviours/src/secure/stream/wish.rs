//! When to ask for a stream.

use std::time::Duration;

use peer_protocol::time::Instant;

/// Pause after a stream that was of no use; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a stream is wanted. It costs no timer: who has something to send asks.
#[derive(Debug, Default)]
pub(in crate::secure) struct Wish {
    asked: bool,
    failures: u32,
    not_before: Instant,
}

impl Wish {
    /// There is something to send, and no stream for it. Returns whether to ask for one.
    pub(in crate::secure) fn arises(&mut self, now: Instant) -> bool {
        let asks = !self.asked && self.not_before <= now;
        self.asked |= asks;
        asks
    }

    /// There is one; whether it is of use remains to be seen.
    pub(in crate::secure) const fn answered(&mut self) {
        self.asked = true;
    }

    /// It can be used.
    pub(in crate::secure) const fn fulfilled(&mut self) {
        self.failures = 0;
    }

    /// There is none, or it is gone; whether it was of use before.
    pub(in crate::secure) fn failed(&mut self, was_of_use: bool, now: Instant) {
        self.asked = false;
        if !was_of_use {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
            self.failures += 1;
            self.not_before = now + pause.min(LONGEST_PAUSE);
        }
    }

    /// Whatever stood in its way may be gone.
    pub(in crate::secure) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn it_asks_once_and_after_a_failure_with_growing_pauses() {
        let mut wish = Wish::default();
        assert!(wish.arises(at(0)));
        assert!(!wish.arises(at(99_999)));
        wish.failed(false, at(0));
        assert!(!wish.arises(at(999)));
        assert!(wish.arises(at(1_000)));
        wish.failed(false, at(1_000));
        assert!(!wish.arises(at(2_999)));
        assert!(wish.arises(at(3_000)));
        wish.fulfilled();
        wish.failed(true, at(3_000));
        assert!(wish.arises(at(3_000)), "one that broke is replaced at once");
    }
}
