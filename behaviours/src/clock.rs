//! Where clock readings come from.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use peer_protocol::time::{Instant, Now, Timestamp};

/// A source of clock readings.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Both clocks, read now.
    fn now(&self) -> Now;
}

/// The machine's clocks. The monotonic one is tokio's, which tests can pause.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic readings start now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        // Before 1970 every timestamp is refused anyway, with a detail that names the clock.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Now {
            instant: Instant::from_start(self.start.elapsed()),
            timestamp: Timestamp::from_millis(millis),
        }
    }
}
