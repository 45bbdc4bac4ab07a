//! Where a simulation's decisions come from: a seed, or the bytes of a fuzzer.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// A source of decisions. The same seed, or the same bytes, always decide the same.
#[derive(Debug)]
pub struct Chance(Source);

#[derive(Debug)]
enum Source {
    Seed(Box<StdRng>),
    Script { bytes: Vec<u8>, at: usize },
}

impl Chance {
    /// Decisions that follow from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seed(Box::new(StdRng::seed_from_u64(seed))))
    }

    /// Decisions read from `bytes`; after them nothing unusual happens any more.
    #[must_use]
    pub fn scripted(bytes: &[u8]) -> Self {
        Self(Source::Script { bytes: bytes.to_vec(), at: 0 })
    }

    /// A number below `count`, which is not zero.
    pub fn below(&mut self, count: usize) -> usize {
        let count = count.max(1);
        match &mut self.0 {
            Source::Seed(rng) => {
                let number = rng.next_u64() % u64::try_from(count).unwrap_or(u64::MAX);
                usize::try_from(number).unwrap_or(0)
            }
            Source::Script { bytes, at } => {
                let wide = count > 256;
                let mut next = || {
                    let byte = bytes.get(*at).copied();
                    *at += 1;
                    byte.map(usize::from)
                };
                let Some(low) = next() else { return count - 1 };
                let high = if wide { next().unwrap_or(0) } else { 0 };
                (high << 8 | low) % count
            }
        }
    }

    /// Whether something with this probability, in thousandths, happens.
    pub fn happens(&mut self, per_mille: usize) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// One or the other, equally likely.
    pub fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    /// A span of time, to the millisecond.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest).as_millis();
        let span = usize::try_from(span).unwrap_or(usize::MAX - 1);
        shortest + Duration::from_millis(self.below(span + 1) as u64)
    }

    /// One of `choices`.
    pub fn of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N)]
    }

    /// Whether a script has come to its end; a seed has none.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match &self.0 {
            Source::Seed(_) => false,
            Source::Script { bytes, at } => *at >= bytes.len(),
        }
    }
}
