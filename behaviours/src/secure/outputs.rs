//! The way from all drivers to the behaviour. What one has to tell at once goes as one, but takes as many
//! places as it is outputs.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use libp2p_core::PeerId;
use tokio::sync::{Semaphore, mpsc};

use super::driver::Output;

/// Outputs that wait at most, of all drivers.
const PLACES: usize = 1024;
/// Outputs that go at once.
pub(super) const AT_ONCE: usize = 64;

/// Its two ends.
pub(super) fn outputs() -> (OutputSender, Outputs) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(PLACES));
    (OutputSender { places: Arc::clone(&places), sender }, Outputs { places, receiver })
}

/// The behaviour has dropped its end.
pub(super) struct Gone;

/// A driver's end.
#[derive(Clone)]
pub(super) struct OutputSender {
    places: Arc<Semaphore>,
    /// What is in it has places.
    sender: mpsc::UnboundedSender<(PeerId, Vec<Output>)>,
}

impl OutputSender {
    /// Hands over what a driver has to tell, [`AT_ONCE`] outputs at most. If there is no room, only this
    /// driver waits.
    pub(super) async fn send(&self, peer: PeerId, outputs: Vec<Output>) -> Result<(), Gone> {
        let count = u32::try_from(outputs.len()).map_err(|_| Gone)?;
        let places = self.places.acquire_many(count).await.map_err(|_| Gone)?;
        // Given back when they are taken.
        places.forget();
        self.sender.send((peer, outputs)).map_err(|_| Gone)
    }
}

/// The behaviour's end.
pub(super) struct Outputs {
    places: Arc<Semaphore>,
    receiver: mpsc::UnboundedReceiver<(PeerId, Vec<Output>)>,
}

impl Outputs {
    /// What a driver has to tell.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(PeerId, Vec<Output>)>> {
        let taken = ready!(self.receiver.poll_recv(cx));
        if let Some((_, outputs)) = &taken {
            self.places.add_permits(outputs.len());
        }
        Poll::Ready(taken)
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        // Whoever waits for a place hears of it.
        self.places.close();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    fn some(count: usize) -> Vec<Output> {
        std::iter::repeat_with(|| Output::WantsStream).take(count).collect()
    }

    #[test]
    fn a_driver_waits_for_room_and_hears_that_the_behaviour_is_gone() {
        let (sender, mut outputs) = outputs();
        let peer = PeerId::random();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..PLACES / AT_ONCE {
            let sent = pin!(sender.send(peer, some(AT_ONCE))).poll(&mut cx);
            assert!(matches!(sent, Poll::Ready(Ok(()))));
        }
        let mut waits = pin!(sender.send(peer, some(1)));
        assert!(waits.as_mut().poll(&mut cx).is_pending(), "every place is taken");
        let Poll::Ready(Some((from, taken))) = outputs.poll(&mut cx) else { panic!("full") };
        assert_eq!((from, taken.len()), (peer, AT_ONCE));
        assert!(matches!(waits.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
        let sent = pin!(sender.send(peer, some(AT_ONCE - 1))).poll(&mut cx);
        assert!(matches!(sent, Poll::Ready(Ok(()))));
        let mut waits = pin!(sender.send(peer, some(AT_ONCE)));
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        drop(outputs);
        assert!(matches!(waits.as_mut().poll(&mut cx), Poll::Ready(Err(Gone))));
        let sent = pin!(sender.send(peer, some(1))).poll(&mut cx);
        assert!(matches!(sent, Poll::Ready(Err(Gone))));
    }
}
