//! How many streams come in on one connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use peer_protocol::rate_limit::{Quota, TokenBucket};
use peer_protocol::time;
use tokio::time::{Instant, Sleep, sleep};

/// Streams that may come in on one connection.
pub(super) const QUOTA: Quota = Quota { per_minute: 30_000, burst: 256 };

/// Counts them, and pauses when there are more.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    arrivals: TokenBucket,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { start: Instant::now(), arrivals: TokenBucket::default(), pause: None }
    }
}

impl Pace {
    /// Ready while there is no pause.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.take();
        }
        Poll::Ready(())
    }

    /// Takes a token for a stream, or begins a pause until there is one.
    pub(super) fn take(&mut self) {
        let now = time::Instant::from_start(self.start.elapsed());
        let taken = self.arrivals.take(QUOTA, now);
        self.pause = taken.err().map(|limited| Box::pin(sleep(limited.retry_after)));
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.pause.is_some()
    }
}
