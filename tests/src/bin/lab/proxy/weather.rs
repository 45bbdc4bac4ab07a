//! What becomes of each packet, drawn from a seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The weather on a relayed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Weather {
    /// One-way delay, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,
    /// Up to so many milliseconds more, drawn for each packet: packets overtake each other
    #[arg(long, default_value_t = 0)]
    pub(crate) jitter: u64,
    /// Packets of a hundred that are lost
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) loss: u8,
    /// Packets of a hundred that come twice
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) twice: u8,
    /// The seed of all that
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// The fate of one packet: when its copies arrive; none if it is lost.
pub(crate) type Fate = [Option<Duration>; 2];

/// Draws fates.
#[derive(Debug)]
pub(crate) struct Dice {
    weather: Weather,
    rng: StdRng,
}

impl Dice {
    /// Dice for one direction; equal weathers and directions draw equal fates.
    pub(crate) fn new(weather: Weather, direction: u64) -> Self {
        Self { weather, rng: StdRng::seed_from_u64(weather.seed ^ (direction << 32)) }
    }

    /// For the next packet.
    pub(crate) fn packet(&mut self) -> Fate {
        let lost = self.rng.random_range(0..100) < self.weather.loss;
        let twice = self.rng.random_range(0..100) < self.weather.twice;
        let (first, second) = (self.delay(), self.delay());
        if lost { [None, None] } else { [Some(first), twice.then_some(second)] }
    }

    /// For the next bytes of a stream: late, but never lost.
    pub(crate) fn delay(&mut self) -> Duration {
        let jitter = self.rng.random_range(0..=self.weather.jitter);
        Duration::from_millis(self.weather.delay + jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Weather = Weather { delay: 20, jitter: 30, loss: 10, twice: 5, seed: 7 };

    #[test]
    fn a_seed_says_everything() {
        let draw = |direction| {
            let mut dice = Dice::new(BAD, direction);
            (0..100).map(|_| dice.packet()).collect::<Vec<_>>()
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }

    #[test]
    fn the_weather_is_what_was_ordered() {
        let mut dice = Dice::new(BAD, 0);
        let fates: Vec<Fate> = (0..10_000).map(|_| dice.packet()).collect();
        let lost = fates.iter().filter(|fate| fate[0].is_none()).count();
        let twice = fates.iter().filter(|fate| fate[1].is_some()).count();
        assert!((800..1200).contains(&lost), "{lost} of 10000 lost");
        assert!((350..650).contains(&twice), "{twice} of 10000 came twice");
        let delays = || fates.iter().flatten().flatten();
        assert!(delays().all(|delay| (20..=50).contains(&delay.as_millis())));
        assert!(delays().any(|delay| *delay != Duration::from_millis(20)));
    }

    #[test]
    fn fair_weather_changes_nothing() {
        let fair = Weather { delay: 0, jitter: 0, loss: 0, twice: 0, seed: 1 };
        assert_eq!(Dice::new(fair, 0).packet(), [Some(Duration::ZERO), None]);
    }
}
