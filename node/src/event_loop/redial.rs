//! When to dial a peer again: at once when it is needed, then with growing pauses.

use std::time::Duration;

use peer_protocol::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that is lost before this counts as another failure, unless a session came of it.
const YOUNG: Duration = Duration::from_secs(10);
/// After so many failures in a row a peer that nobody asked for is not called any more.
const HOPELESS: u32 = 6;

/// The dialling state of one peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Redial {
    kept: bool,
    wanted: bool,
    dialing: bool,
    /// Since when there has been a connection of which nothing has come yet.
    untried: Option<Instant>,
    /// Whether the last failure was a connection that came to nothing, not a dial.
    flapping: bool,
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

    /// Whether it has failed so often that only somebody who needs the peer should try again.
    pub(crate) const fn is_hopeless(&self) -> bool {
        self.failures >= HOPELESS
    }

    /// Not to be dialled before `when`, unless somebody needs it.
    pub(crate) const fn delay(&mut self, when: Instant) {
        self.not_before = when;
    }

    /// The network around this node has changed: whatever failed before says nothing any more.
    pub(crate) fn moved(&mut self) {
        self.settled();
        self.not_before = Instant::default();
    }

    /// How often in a row it has failed.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Somebody waits for a connection: dial without waiting for the pause to end. A peer that
    /// accepts connections and drops them is not called faster for that.
    pub(crate) const fn hurry(&mut self) {
        self.wanted = true;
        if !self.flapping {
            self.not_before = Instant::from_start(Duration::ZERO);
        }
    }

    /// Whether to dial now: on demand, or because the peer is missed.
    pub(crate) fn is_due(&self, missed: bool, now: Instant) -> bool {
        (self.wanted || missed) && !self.dialing && self.not_before <= now
    }

    pub(crate) const fn dialing(&mut self) {
        self.dialing = true;
    }

    pub(crate) const fn is_dialing(&self) -> bool {
        self.dialing
    }

    /// A dial led to a connection; whether it is good for anything remains to be seen.
    pub(crate) const fn connected(&mut self, now: Instant) {
        self.dialing = false;
        self.wanted = false;
        self.untried = Some(now);
    }

    /// A session is ready: the connection is good.
    pub(crate) const fn settled(&mut self) {
        self.untried = None;
        self.flapping = false;
        self.failures = 0;
    }

    /// The last connection is gone. `jitter` as for [`Redial::failed`].
    pub(crate) fn lost(&mut self, jitter: f64, now: Instant) {
        match self.untried.take() {
            Some(since) if now.since(since) < YOUNG => {
                self.failed(jitter, now);
                self.flapping = true;
            }
            Some(_) => self.settled(),
            None => {}
        }
    }

    /// A dial failed. `jitter` is between 0 and 1: pauses grow by up to half, so that nodes do not
    /// dial in step.
    pub(crate) fn failed(&mut self, jitter: f64, now: Instant) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.dialing = false;
        self.wanted = false;
        self.flapping = false;
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
        assert!(redial.is_hopeless());
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
        assert!(redial.is_due(false, at(0)));
        redial.connected(at(0));
        assert!(!redial.is_due(false, at(200_000)));
    }

    /// A peer that accepts and then closes, over and over, with somebody waiting for it all the time.
    #[test]
    fn a_flapping_peer_is_called_ever_more_rarely() {
        let mut redial = Redial::default();
        redial.keep();
        let (mut now, mut dials) = (at(0), 0);
        while now < at(60_000) {
            redial.hurry();
            if redial.is_due(true, now) {
                dials += 1;
                redial.dialing();
                redial.connected(now);
                redial.lost(0.0, now);
            }
            now = now + Duration::from_millis(50);
        }
        assert!(dials < 12, "{dials} dials in a minute");
    }

    #[test]
    fn after_a_move_whoever_is_missed_is_called_at_once() {
        let mut redial = Redial::default();
        redial.keep();
        for second in 0..10 {
            redial.dialing();
            redial.failed(0.0, at(second * 1_000));
        }
        assert!(redial.is_hopeless() && !redial.is_due(true, at(10_000)));
        redial.moved();
        assert!(!redial.is_hopeless() && redial.is_due(true, at(10_000)));
        redial.connected(at(10_000));
        redial.moved();
        redial.lost(0.0, at(10_100));
        assert!(
            redial.is_due(true, at(10_100)),
            "losing a young connection to a move is no flapping"
        );
    }

    #[test]
    fn a_connection_that_served_is_replaced_at_once() {
        let mut redial = Redial::default();
        redial.connected(at(0));
        redial.settled();
        redial.lost(0.0, at(100));
        assert!(redial.is_due(true, at(100)));
        redial.connected(at(200));
        redial.lost(0.0, at(20_000));
        assert!(redial.is_due(true, at(20_000)));
    }
}
