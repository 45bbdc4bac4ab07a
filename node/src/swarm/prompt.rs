//! Streams that are not taken in at once are refused. Yamux keeps 256 of a connection for later, each with
//! up to 256 KiB that have come on it: whoever opens streams and says nothing on the first ones would
//! fill this node's memory with the others. And whoever opens them faster than any peer has use for waits:
//! a stream that is opened and reset costs its sender two short frames, and this node a negotiation.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent, StreamMuxerExt as _};

use super::pace::Pace;

/// Streams that wait while the swarm takes no more.
const MAX_WAITING: usize = 2;
/// A multiplexed connection whose streams do not wait, and come no faster than they may.
#[derive(Debug)]
pub(super) struct Prompt<M: StreamMuxer> {
    inner: M,
    waiting: VecDeque<M::Substream>,
    /// While there are more nothing is read from the connection, so that its other side has to wait too.
    pace: Pace,
}

impl<M: StreamMuxer + Unpin> Prompt<M> {
    pub(super) fn new(inner: M) -> Self {
        Self { inner, waiting: VecDeque::new(), pace: Pace::default() }
    }

    /// A stream that comes in. If there is no token for it, nothing more comes until there is.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Substream, M::Error>> {
        ready!(self.pace.poll(cx));
        let stream = ready!(self.inner.poll_inbound_unpin(cx))?;
        self.pace.take();
        Poll::Ready(Ok(stream))
    }
}

impl<M> StreamMuxer for Prompt<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
{
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<M::Substream, M::Error>> {
        match self.waiting.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => self.poll_arrival(cx),
        }
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<M::Substream, M::Error>> {
        self.inner.poll_outbound_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        self.inner.poll_close_unpin(cx)
    }

    /// One stream at a time, so that the swarm has its turn between two as long as it takes them.
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, M::Error>> {
        ready!(self.pace.poll(cx));
        match self.poll_arrival(cx) {
            Poll::Ready(stream) => {
                let stream = stream?;
                // One that is dropped is reset.
                if self.waiting.len() < MAX_WAITING {
                    self.waiting.push_back(stream);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending if self.pace.is_paused() => Poll::Pending,
            Poll::Pending => self.inner.poll_unpin(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use futures::task::{noop_waker, noop_waker_ref};

    use super::*;
    use crate::swarm::pace::QUOTA;

    /// Has so many streams that come in.
    struct Inner(usize);

    impl StreamMuxer for Inner {
        type Substream = futures::io::Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            if self.0 == 0 {
                return Poll::Pending;
            }
            self.0 -= 1;
            Poll::Ready(Ok(futures::io::Cursor::new(Vec::new())))
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_are_taken_at_once_all_come_in() {
        let mut muxer = Prompt::new(Inner(100));
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut taken = 0;
        for _ in 0..200 {
            let _: Poll<io::Result<StreamMuxerEvent>> = muxer.poll_unpin(&mut cx);
            if let Poll::Ready(stream) = muxer.poll_inbound_unpin(&mut cx) {
                stream.unwrap();
                taken += 1;
            }
        }
        assert_eq!(taken, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn of_streams_that_nobody_takes_few_wait() {
        let mut muxer = Prompt::new(Inner(100));
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..200 {
            let _: Poll<io::Result<StreamMuxerEvent>> = muxer.poll_unpin(&mut cx);
        }
        assert_eq!((muxer.inner.0, muxer.waiting.len()), (0, MAX_WAITING));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_opens_streams_too_fast_waits_and_is_heard_again() {
        let mut muxer = Prompt::new(Inner(100_000));
        let taken = async |muxer: &mut Prompt<Inner>, during: Duration| {
            let mut taken = 0;
            let taking = std::future::poll_fn(|cx| {
                while muxer.poll_inbound_unpin(cx).is_ready() {
                    taken += 1;
                }
                Poll::<()>::Pending
            });
            let _ = tokio::time::timeout(during, taking).await;
            taken
        };
        // The one that finds no token is what the pause is for.
        let burst = taken(&mut muxer, Duration::ZERO).await;
        assert_eq!(burst, QUOTA.burst + 1);
        let second = taken(&mut muxer, Duration::from_secs(1)).await;
        assert!((300..=500).contains(&second), "{second} in a second");
        let mut cx = Context::from_waker(noop_waker_ref());
        let before = muxer.inner.0;
        assert!(muxer.poll_unpin(&mut cx).is_pending());
        assert_eq!(muxer.inner.0, before, "nothing is read during a pause");
    }
}
