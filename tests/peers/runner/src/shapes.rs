//! Which shape of its runtime suits a contestant.

use std::time::Duration;

use peer_contest::{Failure, Measured, Threads, Workload};

use crate::contestant::Contestant;
use crate::pair::Pair;
use crate::results::number;

/// How often each shape is tried: on which cores the kernel has the processes first is luck.
const TRIALS: usize = 2;

/// A contestant in one shape or both.
pub(crate) struct Entrant {
    pub(crate) contestant: Contestant,
    pairs: Vec<(Threads, Pair)>,
    /// Which of `pairs` is better at what.
    chosen: Vec<(Workload, usize)>,
}

impl Entrant {
    /// In the shape `threads`, or in both to choose from.
    pub(crate) fn start(
        contestant: Contestant,
        threads: Option<Threads>,
        mut start: impl FnMut(Threads) -> Result<Pair, Failure>,
    ) -> Result<Self, Failure> {
        let shapes = threads.map_or(vec![Threads::One, Threads::Two], |one| vec![one]);
        let pairs: Result<Vec<_>, Failure> =
            shapes.into_iter().map(|shape| Ok((shape, start(shape)?))).collect();
        Ok(Self { contestant, pairs: pairs?, chosen: Vec::new() })
    }

    /// Tries all shapes in turn, and keeps the one that did best for `workload`.
    pub(crate) fn choose(&mut self, workload: Workload, long: Duration) -> Result<(), Failure> {
        let mut best = None;
        for _ in 0..TRIALS {
            for (place, (_, pair)) in self.pairs.iter_mut().enumerate() {
                let value = number(workload).of(&pair.round(workload, long)?);
                let better = best.is_none_or(|(_, other)| number(workload).is_better(value, other));
                if better {
                    best = Some((place, value));
                }
            }
        }
        self.chosen.extend(best.map(|(place, _)| (workload, place)));
        Ok(())
    }

    fn place(&self, workload: Workload) -> usize {
        let chosen = self.chosen.iter().find(|(of, _)| *of == workload);
        chosen.map_or(0, |(_, place)| *place)
    }

    /// The shape that counts for `workload`.
    pub(crate) fn threads(&self, workload: Workload) -> Option<Threads> {
        self.pairs.get(self.place(workload)).map(|(threads, _)| *threads)
    }

    /// The processes that measure.
    pub(crate) fn processes(&self) -> impl Iterator<Item = u32> {
        self.pairs.iter().map(|(_, pair)| pair.process())
    }

    /// A measurement in that shape.
    pub(crate) fn round(
        &mut self,
        workload: Workload,
        long: Duration,
    ) -> Result<Measured, Failure> {
        let place = self.place(workload);
        let (_, pair) = self.pairs.get_mut(place).ok_or("no shape")?;
        pair.round(workload, long)
    }
}
