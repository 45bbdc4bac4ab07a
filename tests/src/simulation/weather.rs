//! What the network does to what travels over it.

use std::time::Duration;

use super::Chance;

/// Conditions on all roads. Probabilities are in thousandths.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Shortest time a request or an answer takes.
    pub fastest: Duration,
    /// Longest; what is slower is overtaken.
    pub slowest: Duration,
    /// Requests that never arrive.
    pub lost_requests: usize,
    /// Answers that never arrive.
    pub lost_answers: usize,
    /// Requests that arrive twice.
    pub duplicated: usize,
    /// Requests and answers that are cut short.
    pub truncated: usize,
    /// Requests and answers with one bit changed.
    pub flipped: usize,
    /// Requests that arrive, and arrive again much later, from nobody who waits for an answer.
    pub replayed: usize,
    /// Requests upon which the whole connection breaks.
    pub breaking: usize,
}

impl Weather {
    /// Everything arrives, in order, after 5 ms.
    #[must_use]
    pub const fn calm() -> Self {
        Self {
            fastest: Duration::from_millis(5),
            slowest: Duration::from_millis(5),
            lost_requests: 0,
            lost_answers: 0,
            duplicated: 0,
            truncated: 0,
            flipped: 0,
            replayed: 0,
            breaking: 0,
        }
    }

    /// Everything arrives, at any time up to `slowest`, so that later things overtake earlier ones.
    #[must_use]
    pub const fn jittery(slowest: Duration) -> Self {
        Self { fastest: Duration::from_millis(1), slowest, ..Self::calm() }
    }

    /// Delay, reordering, loss, duplication and broken connections, more or less of each.
    pub fn stormy(chance: &mut Chance) -> Self {
        let slowest = chance.of([1, 20, 200, 2_000]);
        Self {
            slowest: Duration::from_millis(slowest),
            lost_requests: chance.of([0, 50, 200, 500]),
            lost_answers: chance.of([0, 50, 200, 500]),
            duplicated: chance.of([0, 0, 100, 300]),
            breaking: chance.of([0, 0, 0, 20]),
            ..Self::jittery(Duration::ZERO)
        }
    }

    /// A storm that also changes what travels, and repeats what was sent long ago.
    pub fn hostile(chance: &mut Chance) -> Self {
        Self {
            truncated: chance.of([0, 20, 100]),
            flipped: chance.of([0, 20, 200]),
            replayed: chance.of([0, 20, 200]),
            ..Self::stormy(chance)
        }
    }

    /// How long something that leaves now takes.
    pub(super) fn delay(&self, chance: &mut Chance) -> Duration {
        chance.between(self.fastest, self.slowest.max(self.fastest))
    }

    /// `bytes` as they arrive.
    pub(super) fn wear(&self, mut bytes: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
        if chance.happens(self.truncated) {
            bytes.truncate(chance.below(bytes.len()));
        }
        if chance.happens(self.flipped) {
            flip_a_bit(&mut bytes, chance);
        }
        bytes
    }
}

/// Changes one bit, if there is one.
pub fn flip_a_bit(bytes: &mut [u8], chance: &mut Chance) {
    let at = chance.below(bytes.len());
    let bit = chance.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}
