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
