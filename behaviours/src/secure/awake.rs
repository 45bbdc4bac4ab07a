//! Low latency for processor time: for a while after something came or went the runtime looks again and
//! again whether there is more, instead of sleeping until the kernel wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::Instant;

/// For how long after the last message: longer than an answer takes that is given at once.
const WINDOW: Duration = Duration::from_micros(300);

/// Keeps the runtime awake, if it was started; clones are one. Its task ends with the last of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Awake(Option<Arc<Started>>);

#[derive(Debug)]
struct Started {
    activity: Arc<Activity>,
    task: AbortHandle,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Awake {
    /// Starts it, within a runtime.
    pub(super) fn start() -> Self {
        let activity = Arc::new(Activity::new());
        let task = tokio::spawn(stay_awake(Arc::clone(&activity))).abort_handle();
        Self(Some(Arc::new(Started { activity, task })))
    }

    /// Something came or went.
    pub(super) fn note(&self) {
        if let Some(started) = &self.0 {
            started.activity.note();
        }
    }
}

/// When there last was something.
#[derive(Debug)]
struct Activity {
    start: Instant,
    /// In nanoseconds since the start.
    last: AtomicU64,
    again: Notify,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), again: Notify::new() }
    }

    fn note(&self) {
        self.last.store(self.elapsed(), Ordering::Relaxed);
        self.again.notify_one();
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn is_recent(&self) -> bool {
        let since = self.elapsed().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_nanos(since) < WINDOW
    }
}

/// A task that yields is run again after all others, and before that the runtime asks the kernel, without
/// waiting, what has come. So nothing starves; and once the time is over it sleeps like any other.
async fn stay_awake(activity: Arc<Activity>) {
    loop {
        activity.again.notified().await;
        while activity.is_recent() {
            // Whoever else is to run on this processor, such as the peer, is let.
            std::thread::yield_now();
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use futures::task::{ArcWake, waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU64);

    impl ArcWake for Woken {
        fn wake_by_ref(woken: &Arc<Self>) {
            woken.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_again_and_again_for_a_while_and_then_sleeps() {
        let activity = Arc::new(Activity::new());
        let woken = Arc::new(Woken::default());
        let waker = waker(Arc::clone(&woken));
        let mut task = pin!(stay_awake(Arc::clone(&activity)));
        let mut turn = async || {
            assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            yield_now().await;
            woken.0.swap(0, Ordering::Relaxed)
        };
        assert_eq!(turn().await, 0, "nothing has happened yet");
        activity.note();
        for _ in 0..10 {
            assert!(turn().await > 0, "it is awake");
        }
        tokio::time::advance(WINDOW - Duration::from_nanos(1)).await;
        assert!(turn().await > 0, "its time is not over");
        activity.note();
        tokio::time::advance(WINDOW - Duration::from_nanos(1)).await;
        assert!(turn().await > 0, "there was more");
        tokio::time::advance(Duration::from_nanos(1)).await;
        // It heard of what came last while it was awake, and looks once more whether that is recent.
        assert_eq!(turn().await, 0, "its time is over");
        assert_eq!(turn().await, 0);
        activity.note();
        assert!(turn().await > 0, "it begins anew");
    }

    #[tokio::test]
    async fn it_ends_with_the_last_of_its_owners_and_does_nothing_unless_started() {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Awake::default().note();
        assert_eq!(tasks(), 0);
        let awake = Awake::start();
        let other = awake.clone();
        drop(awake);
        yield_now().await;
        assert_eq!(tasks(), 1);
        drop(other);
        yield_now().await;
        assert_eq!(tasks(), 0);
    }
}
