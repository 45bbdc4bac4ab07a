//! Replay protection: a timestamp near our clock, and a nonce never seen before
//! (`docs/PROTOCOL.md` §2.6). Memory is bounded; what had to be forgotten is refused, never let in.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use thiserror::Error;

use crate::id::Nonce;
use crate::limits::{MAX_CLOCK_SKEW, MAX_NONCES, NONCE_LIFETIME};
use crate::time::Timestamp;

/// Why a message counts as a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// Made too long ago, or in the future.
    #[error(
        "the timestamp is {} ms away from this node's clock; at most {} ms are allowed, so check both clocks",
        skew.as_millis(),
        limit.as_millis()
    )]
    Skewed {
        /// How far off it is.
        skew: Duration,
        /// How far off it may be.
        limit: Duration,
    },
    /// Seen before.
    #[error("this nonce was seen before")]
    Repeated,
    /// Older than some nonce that had to be forgotten, so that nobody can tell.
    #[error("too many messages in a short time: this one is older than what is remembered")]
    Forgotten,
}

/// Remembers the nonces of one peer.
#[derive(Debug)]
pub struct ReplayGuard {
    max_skew: Duration,
    capacity: usize,
    nonces: HashSet<Nonce>,
    by_age: BTreeSet<(Timestamp, Nonce)>,
    /// The newest timestamp that was forgotten.
    floor: Option<Timestamp>,
    has_floor: bool,
}

impl ReplayGuard {
    /// A guard that accepts timestamps up to `max_skew` away from its own clock.
    #[must_use]
    pub fn new(max_skew: Duration) -> Self {
        Self::with_capacity(max_skew, MAX_NONCES)
    }

    /// A guard for the records of one session. There the sequence window refuses every record that
    /// this guard had to forget, so that forgetting early does not mean refusing.
    #[must_use]
    pub fn within_session(max_skew: Duration) -> Self {
        Self { has_floor: false, ..Self::new(max_skew) }
    }

    fn with_capacity(max_skew: Duration, capacity: usize) -> Self {
        // A nonce is remembered for longer than its timestamp stays acceptable.
        let max_skew = max_skew.min(NONCE_LIFETIME / 2);
        Self {
            max_skew,
            capacity,
            nonces: HashSet::new(),
            by_age: BTreeSet::new(),
            floor: None,
            has_floor: true,
        }
    }

    /// Whether a message may be new; changes nothing.
    ///
    /// # Errors
    /// [`ReplayError`] if it is not.
    pub fn check(
        &self,
        timestamp: Timestamp,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        let skew = timestamp.distance(now);
        if skew > self.max_skew {
            return Err(ReplayError::Skewed { skew, limit: self.max_skew });
        }
        if self.nonces.contains(nonce) {
            return Err(ReplayError::Repeated);
        }
        if self.floor.is_some_and(|floor| timestamp <= floor && !self.is_out_of_reach(floor, now)) {
            return Err(ReplayError::Forgotten);
        }
        Ok(())
    }

    /// Whether `floor` comes from a clock that has been set back by so much that the peer would be
    /// locked out for more than the life of a nonce.
    fn is_out_of_reach(&self, floor: Timestamp, now: Timestamp) -> bool {
        floor > now + self.max_skew + NONCE_LIFETIME
    }

    /// Remembers a message that passed every check.
    pub fn remember(&mut self, timestamp: Timestamp, nonce: Nonce, now: Timestamp) {
        while let Some(&(oldest, nonce)) = self.by_age.first()
            && oldest + NONCE_LIFETIME < now
        {
            self.forget(oldest, &nonce);
        }
        if self.nonces.len() >= self.capacity
            && let Some(&(oldest, nonce)) = self.by_age.first()
        {
            self.forget(oldest, &nonce);
        }
        if self.nonces.insert(nonce) {
            self.by_age.insert((timestamp, nonce));
        }
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nonces.len()
    }

    /// Whether no nonce is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nonces.is_empty()
    }

    fn forget(&mut self, timestamp: Timestamp, nonce: &Nonce) {
        self.by_age.remove(&(timestamp, *nonce));
        self.nonces.remove(nonce);
        // Even one that expired: the clock may have jumped ahead, and be set back.
        if self.has_floor {
            self.floor = self.floor.max(Some(timestamp));
        }
    }
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self::new(MAX_CLOCK_SKEW)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn nonce(number: u64) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Nonce::from_bytes(bytes)
    }

    #[test]
    fn skewed_clock_is_refused_in_both_directions() {
        let guard = ReplayGuard::default();
        let now = Timestamp::from_millis(NOW);
        for (millis, fine) in [
            (NOW - 60_000, true),
            (NOW + 60_000, true),
            (NOW - 60_001, false),
            (NOW + 60_001, false),
            (0, false),
            (u64::MAX, false),
        ] {
            let checked = guard.check(Timestamp::from_millis(millis), &nonce(1), now);
            assert_eq!(checked.is_ok(), fine, "{millis}");
        }
    }

    #[test]
    fn nonce_flood_neither_grows_memory_nor_lets_an_old_message_back_in() {
        let mut guard = ReplayGuard::with_capacity(MAX_CLOCK_SKEW, 100);
        let now = Timestamp::from_millis(NOW);
        guard.remember(now, nonce(0), now);
        for number in 1..10_000 {
            let timestamp = now + Duration::from_millis(number);
            guard.remember(timestamp, nonce(number), now);
        }
        assert_eq!(guard.len(), 100);
        assert_eq!(guard.check(now, &nonce(0), now), Err(ReplayError::Forgotten));
        let fresh = now + Duration::from_millis(20_000);
        assert_eq!(guard.check(fresh, &nonce(77_777), now), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_brings_no_old_message_back() {
        let mut guard = ReplayGuard::default();
        let now = Timestamp::from_millis(NOW);
        let ahead = now + Duration::from_secs(3600);
        guard.remember(now, nonce(1), now);
        guard.remember(ahead, nonce(2), ahead);
        assert_eq!(guard.len(), 1, "the first has expired");
        let back = now + Duration::from_secs(10);
        assert_eq!(guard.check(now, &nonce(1), back), Err(ReplayError::Forgotten));
        assert_eq!(guard.check(back, &nonce(3), back), Ok(()), "what is newer passes");
    }

    /// Refusing all that comes until the clock gets there again would be worse.
    #[test]
    fn a_clock_that_was_a_year_ahead_locks_nobody_out() {
        let mut guard = ReplayGuard::default();
        let now = Timestamp::from_millis(NOW);
        let ahead = now + Duration::from_secs(365 * 86_400);
        let later = ahead + Duration::from_secs(301);
        guard.remember(ahead, nonce(1), ahead);
        guard.remember(later, nonce(2), later);
        assert_eq!(guard.len(), 1);
        assert_eq!(guard.check(ahead, &nonce(1), ahead), Err(ReplayError::Forgotten));
        assert_eq!(guard.check(now, &nonce(3), now), Ok(()));
    }

    proptest! {
        /// No message is ever accepted twice, whatever the order, the delays and the capacity.
        #[test]
        fn nothing_is_accepted_twice(
            capacity in 1_usize..20,
            steps in proptest::collection::vec((0_u64..40, 0_u64..90_000), 1..300),
        ) {
            let mut guard = ReplayGuard::with_capacity(MAX_CLOCK_SKEW, capacity);
            let mut made: HashMap<u64, Timestamp> = HashMap::new();
            let mut accepted = HashSet::new();
            let mut now = Timestamp::from_millis(NOW);
            for (number, pause) in steps {
                now = now + Duration::from_millis(pause / 10);
                let timestamp =
                    *made.entry(number).or_insert(now - Duration::from_millis(pause / 2));
                if guard.check(timestamp, &nonce(number), now).is_ok() {
                    guard.remember(timestamp, nonce(number), now);
                    prop_assert!(accepted.insert(number), "nonce {number} was accepted twice");
                }
                prop_assert!(guard.len() <= capacity);
            }
        }
    }
}
