//! How much of a transfer is with the link at once.

use std::time::Duration;

use super::Limits;

/// Bytes that are with the link at first.
const FIRST_UNDER_WAY: u64 = 512 << 10;
/// A piece that queued for less went its way undisturbed; one that queued for longer disturbs others.
const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_millis(400);

/// How much is with the link at once: more while pieces arrive as fast as ever, less while they queue
/// on the way, since whatever else is sent queues behind them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) most: u64,
    /// The least time that a piece ever took.
    fastest: Duration,
}

impl Pace {
    pub(super) fn new(piece_len: u32) -> Self {
        let most = FIRST_UNDER_WAY.max(2 * u64::from(piece_len));
        Self { most, fastest: Duration::MAX }
    }

    pub(super) fn arrived(&mut self, len: u32, took: Duration, limits: Limits) {
        self.fastest = self.fastest.min(took);
        let queued = took.saturating_sub(self.fastest);
        if queued < QUICK {
            self.most = self.most.saturating_add(u64::from(len)).min(limits.under_way);
        } else if queued > SLOW {
            self.most = (self.most / 2).max(u64::from(limits.piece_len));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_what_arrives_quickly_and_halves_when_pieces_queue() {
        let limits = Limits { piece_len: 64 << 10, under_way: 1 << 20, ..Limits::new(64 << 10) };
        let mut pace = Pace::new(64 << 10);
        assert_eq!(pace.most, 512 << 10);
        let mut arrived = |millis| {
            pace.arrived(64 << 10, Duration::from_millis(millis), limits);
            pace.most >> 10
        };
        assert_eq!(arrived(30), 576, "however long the way is");
        assert_eq!((arrived(129), arrived(130)), (640, 640), "it queued for less than 100 ms");
        assert_eq!((arrived(430), arrived(431)), (640, 320), "it queued for more than 400 ms");
        assert_eq!([(); 4].map(|()| arrived(431)), [160, 80, 64, 64], "one piece may always go");
        assert_eq!([(); 20].map(|()| arrived(30))[19], 1_024);
        assert_eq!(Pace::new(1 << 20).most, 2 << 20);
    }
}
