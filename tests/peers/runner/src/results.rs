//! What was measured, and which number of it counts.

use peer_contest::{Measured, Workload};

use crate::contestant::Contestant;

/// A number of a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) name: &'static str,
    of: fn(&Measured) -> f64,
    /// Whether less is better.
    pub(crate) is_cost: bool,
}

impl Number {
    pub(crate) fn of(&self, measured: &Measured) -> f64 {
        (self.of)(measured)
    }

    pub(crate) fn is_better(&self, one: f64, other: f64) -> bool {
        if self.is_cost { one < other } else { one > other }
    }
}

/// The number that counts.
pub(crate) fn number(workload: Workload) -> Number {
    match workload {
        Workload::Ask64 | Workload::Ask1k => {
            Number { name: "p50 µs", of: |it| it.p50_us, is_cost: true }
        }
        Workload::Flow1k => Number { name: "messages/s", of: |it| it.per_second, is_cost: false },
        Workload::Bulk256k | Workload::Bulk1m => {
            Number { name: "MiB/s", of: |it| it.mib_per_second, is_cost: false }
        }
        Workload::Connect => {
            Number { name: "connections/s", of: |it| it.per_second, is_cost: false }
        }
    }
}

/// The median, the least and the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of no number there is none.
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        let lower = if numbers.len().is_multiple_of(2) { *numbers.get(middle - 1)? } else { upper };
        let median = f64::midpoint(lower, upper);
        Some(Self { median, least: *numbers.first()?, most: *numbers.last()? })
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Results(Vec<(Contestant, Workload, Measured)>);

impl Results {
    pub(crate) fn add(&mut self, contestant: Contestant, workload: Workload, measured: Measured) {
        self.0.push((contestant, workload, measured));
    }

    /// One number over all rounds.
    pub(crate) fn spread(
        &self,
        contestant: Contestant,
        workload: Workload,
        number: impl Fn(&Measured) -> f64,
    ) -> Option<Spread> {
        let of = |(who, what, measured): &(Contestant, Workload, Measured)| {
            (*who == contestant && *what == workload).then(|| number(measured))
        };
        Spread::of(self.0.iter().filter_map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of(vec![5.0, 1.0, 9.0]).unwrap();
        assert_eq!(spread, Spread { median: 5.0, least: 1.0, most: 9.0 });
        assert!((Spread::of(vec![4.0, 2.0]).unwrap().median - 3.0).abs() < 1e-9);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
