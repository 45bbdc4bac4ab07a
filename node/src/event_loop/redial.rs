//! When to dial a peer again: at once when it is needed, then with growing pauses.

use std::time::Duration;

use peer_protocol::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// The dialling state of one peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Redial {
    kept: bool,
    wanted: bool,
    dialing: bool,
    failures: u32,
    not_before: Instant,
}

impl Redial {
    /// From now on the peer is dialled again whenever its connection is lost.
    pub(crate) const fn keep(&mut self) {
        self.kept = true;
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.kept
    }

    /// Somebody waits for a connection: dial without waiting for the pause to end.
    pub(crate) const fn hurry(&mut self) {
        self.wanted = true;
        self.failures = 0;
        self.not_before = Instant::from_start(Duration::ZERO);
    }

    /// Whether to dial now: on demand, or because the peer is missed.
    pub(crate) fn is_due(&self, missed: bool, now: Instant) -> bool {
        (self.wanted || missed) && !self.dialing && self.not_before <= now
    }

    pub(crate) const fn dialing(&mut self) {
        self.dialing = true;
    }

    pub(crate) const fn succeeded(&mut self) {
        let kept = self.kept;
        *self =
            Self { kept, wanted: false, dialing: false, failures: 0, not_before: self.not_before };
    }

    /// `jitter` is between 0 and 1: pauses grow by up to half, so that nodes do not dial in step.
    pub(crate) fn failed(&mut self, jitter: f64, now: Instant) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        self.dialing = false;
        self.wanted = false;
        self.not_before = now + pause.mul_f64(1.0 + jitter / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn pauses_grow_and_are_capped() {
        let mut redial = Redial::default();
        let mut now = at(0);
        for expected in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(redial.is_due(true, now));
            redial.dialing();
            assert!(!redial.is_due(true, now));
            redial.failed(0.0, now);
            assert!(!redial.is_due(true, now + Duration::from_millis(expected - 1)));
            now = now + Duration::from_millis(expected);
        }
    }

    #[test]
    fn who_is_not_missed_is_dialled_only_on_demand_and_hurry_skips_the_pause() {
        let mut redial = Redial::default();
        assert!(!redial.is_due(false, at(0)));
        redial.hurry();
        redial.dialing();
        redial.failed(1.0, at(0));
        assert!(!redial.is_due(false, at(100_000)));
        redial.hurry();
        redial.dialing();
        redial.failed(1.0, at(100_000));
        redial.hurry();
        assert!(redial.is_due(false, at(100_000)));
        redial.succeeded();
        assert!(!redial.is_due(false, at(200_000)));
    }
}
