//! The sequence window: each record once, late ones within reason.

use thiserror::Error;

use crate::limits::{MAX_RECORDS_PER_KEY, REPLAY_WINDOW};

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// Why a record's number is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WindowError {
    /// The number was used before.
    #[error("record {sequence} was received before")]
    Repeated {
        /// The number.
        sequence: u64,
    },
    /// So far behind the newest that nobody can tell whether it was used.
    #[error("record {sequence} is more than {REPLAY_WINDOW} behind the newest, {newest}")]
    TooOld {
        /// The number.
        sequence: u64,
        /// The newest number received.
        newest: u64,
    },
    /// No key seals a record with this number.
    #[error("record {sequence} lies beyond the {MAX_RECORDS_PER_KEY} that one key may seal")]
    Beyond {
        /// The number.
        sequence: u64,
    },
}

/// Which of the newest [`REPLAY_WINDOW`] numbers have been received.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// One more than the newest number received; zero if none was.
    next: u64,
    /// Bit `n % REPLAY_WINDOW` stands for number `n`.
    bits: [u64; WORDS],
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { next: 0, bits: [0; WORDS] }
    }

    /// Whether `sequence` may be new; changes nothing.
    pub(super) fn check(&self, sequence: u64) -> Result<(), WindowError> {
        // A peer that keeps to the limit never gets there; so `next` never has to wrap.
        if sequence >= MAX_RECORDS_PER_KEY {
            return Err(WindowError::Beyond { sequence });
        }
        if sequence >= self.next {
            return Ok(());
        }
        if self.next - sequence > REPLAY_WINDOW {
            return Err(WindowError::TooOld { sequence, newest: self.next - 1 });
        }
        if self.bit(sequence) { Err(WindowError::Repeated { sequence }) } else { Ok(()) }
    }

    /// Marks a number that passed every check.
    pub(super) fn mark(&mut self, sequence: u64) {
        if sequence >= self.next {
            // Numbers between the old newest and this one come into the window unseen.
            let fresh = (sequence - self.next).min(REPLAY_WINDOW);
            for number in sequence - fresh..sequence {
                self.set(number, false);
            }
            self.next = sequence.saturating_add(1);
        }
        self.set(sequence, true);
    }

    fn bit(&self, sequence: u64) -> bool {
        let (word, mask) = place(sequence);
        self.bits.get(word).is_some_and(|bits| bits & mask != 0)
    }

    fn set(&mut self, sequence: u64, on: bool) {
        let (word, mask) = place(sequence);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits = if on { *bits | mask } else { *bits & !mask };
        }
    }
}

const fn place(sequence: u64) -> (usize, u64) {
    let slot = sequence % REPLAY_WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_all_numbers(
            steps in proptest::collection::vec((0_u64..6000, any::<bool>()), 1..400),
        ) {
            let mut window = Window::new();
            let mut seen = HashSet::new();
            let mut newest: Option<u64> = None;
            for (sequence, mark) in steps {
                let too_old = newest.is_some_and(|newest| newest + 1 > sequence + REPLAY_WINDOW);
                let fine = !too_old && !seen.contains(&sequence);
                prop_assert_eq!(window.check(sequence).is_ok(), fine, "{}", sequence);
                if fine && mark {
                    window.mark(sequence);
                    seen.insert(sequence);
                    newest = newest.max(Some(sequence));
                }
            }
        }
    }

    /// Each number stands where one stood that is too old now.
    #[test]
    fn numbers_in_order_are_remembered_round_after_round() {
        let mut window = Window::new();
        for sequence in 0..3 * REPLAY_WINDOW {
            assert_eq!(window.check(sequence), Ok(()));
            window.mark(sequence);
            assert_eq!(window.check(sequence), Err(WindowError::Repeated { sequence }));
            let oldest = sequence.saturating_sub(REPLAY_WINDOW - 1);
            let repeated = WindowError::Repeated { sequence: oldest };
            assert_eq!(window.check(oldest), Err(repeated));
            if let Some(before) = oldest.checked_sub(1) {
                let too_old = WindowError::TooOld { sequence: before, newest: sequence };
                assert_eq!(window.check(before), Err(too_old));
            }
        }
    }

    #[test]
    fn the_last_number_of_all_is_used_once_and_nothing_lies_beyond_it() {
        let mut window = Window::new();
        let last = MAX_RECORDS_PER_KEY - 1;
        assert!(window.check(last).is_ok());
        window.mark(last);
        assert_eq!(window.check(last), Err(WindowError::Repeated { sequence: last }));
        assert!(window.check(0).is_err());
        assert!(window.check(last - 1).is_ok());
        for sequence in [MAX_RECORDS_PER_KEY, u64::MAX - 1, u64::MAX] {
            assert_eq!(window.check(sequence), Err(WindowError::Beyond { sequence }));
        }
    }
}
