//! The way from the behaviour to a driver. What waits is taken all at once: however many messages are
//! sent together, their way costs about as much as that of one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::driver::Input;

/// Places in it.
const PLACES: usize = 256;
/// Places kept free for answers and failures, which must not be lost; requests and messages are
/// refused once only these are left. A link has at most seventeen requests in flight.
const RESERVED: usize = 64;

/// Its two ends.
pub(super) fn inputs() -> (InputSender, Inputs) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (InputSender(Arc::clone(&shared)), Inputs(shared))
}

#[derive(Default)]
struct Shared {
    /// At most [`PLACES`]. Holds no memory while nothing waits.
    waiting: Vec<Input>,
    /// The driver, while it waits.
    waker: Option<Waker>,
    closed: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The behaviour's end. When it is dropped, the driver hears of that once it has taken the rest.
pub(super) struct InputSender(Arc<Mutex<Shared>>);

impl InputSender {
    /// Hands over what may be refused; returns whether there was room.
    pub(super) fn offer(&self, input: Input) -> bool {
        self.push(input, PLACES - RESERVED)
    }

    /// Hands over what must not be lost; there is always a place for it.
    pub(super) fn deliver(&self, input: Input) {
        if !self.push(input, PLACES) {
            tracing::error!("a link's inputs overflowed their reserve");
        }
    }

    fn push(&self, input: Input, places: usize) -> bool {
        let mut shared = lock(&self.0);
        if shared.waiting.len() >= places {
            return false;
        }
        shared.waiting.push(input);
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
        true
    }
}

impl Drop for InputSender {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The driver's end.
pub(super) struct Inputs(Arc<Mutex<Shared>>);

impl Inputs {
    /// Everything that waits; nothing only if the behaviour's end is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Input>> {
        let mut shared = lock(&self.0);
        if shared.waiting.is_empty() && !shared.closed {
            if !shared.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                shared.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut shared.waiting))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::task::{ArcWake, waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl ArcWake for Woken {
        fn wake_by_ref(woken: &Arc<Self>) {
            woken.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_waits_comes_at_once_and_in_order_and_wakes_once() {
        let (sender, mut inputs) = inputs();
        let woken = Arc::new(Woken::default());
        let waker = waker(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(inputs.poll(&mut cx).is_pending());
        assert!(sender.offer(Input::NoStream(true)));
        assert!(sender.offer(Input::NoStream(false)));
        sender.deliver(Input::Open);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        let Poll::Ready(taken) = inputs.poll(&mut cx) else { panic!("three wait") };
        let expected = [Input::NoStream(true), Input::NoStream(false), Input::Open];
        assert_eq!(taken.len(), expected.len());
        for (taken, expected) in taken.iter().zip(&expected) {
            let same = match (taken, expected) {
                (Input::NoStream(one), Input::NoStream(other)) => one == other,
                (one, other) => matches!((one, other), (Input::Open, Input::Open)),
            };
            assert!(same);
        }
        assert!(inputs.poll(&mut cx).is_pending());
        assert!(sender.offer(Input::Open));
        drop(sender);
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert!(matches!(inputs.poll(&mut cx), Poll::Ready(rest) if rest.len() == 1));
        assert!(matches!(inputs.poll(&mut cx), Poll::Ready(rest) if rest.is_empty()));
    }

    #[test]
    fn there_is_room_for_what_must_not_be_lost_and_no_more() {
        let (sender, mut inputs) = inputs();
        let offered = std::iter::repeat_with(|| sender.offer(Input::Open));
        assert_eq!(offered.take_while(|taken| *taken).count(), PLACES - RESERVED);
        for _ in 0..2 * RESERVED {
            sender.deliver(Input::Open);
        }
        assert!(!sender.offer(Input::Open));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(inputs.poll(&mut cx), Poll::Ready(all) if all.len() == PLACES));
        assert!(sender.offer(Input::Open));
    }
}
