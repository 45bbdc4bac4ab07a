//! One timer for all that a driver waits for. It is moved only when something is due earlier: what
//! moves away, as it does with every message, lets it go off once for nothing.

use std::pin::Pin;

use peer_protocol::time::Instant;
use tokio::time::{Sleep, sleep};

/// The timer.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    set: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Alarm {
    /// Waits until `due` at most, or for ever. May be dropped and called again.
    pub(super) async fn wait(&mut self, due: Option<Instant>, now: Instant) {
        let Some(due) = due else { return std::future::pending().await };
        let at = || tokio::time::Instant::now() + due.since(now);
        let sleep = match &mut self.set {
            Some((set, sleep)) => {
                if due < *set {
                    *set = due;
                    sleep.as_mut().reset(at());
                }
                sleep
            }
            None => &mut self.set.insert((due, Box::pin(sleep(due.since(now))))).1,
        };
        sleep.await;
        self.set = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[tokio::test]
    async fn it_moves_only_to_earlier_times_and_goes_off_once() {
        let mut alarm = Alarm::default();
        for (due, set) in [(50_000, 50_000), (90_000, 50_000), (20_000, 20_000)] {
            assert!(alarm.wait(Some(at(due)), at(0)).now_or_never().is_none());
            assert_eq!(alarm.set.as_ref().map(|(at, _)| *at), Some(at(set)));
        }
        assert!(alarm.wait(None, at(0)).now_or_never().is_none());
        alarm.wait(Some(at(10_000)), at(10_000)).await;
        assert!(alarm.set.is_none());
    }
}
