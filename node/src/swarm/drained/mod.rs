//! QUIC keeps what has come, and nobody has read, behind windows of its own, which are the same for every
//! connection: what is enough for a peer's bulk is far too much for each of many strangers. So what comes
//! from a stranger is read as it comes, whether somebody wants it yet or not, into the store that all
//! connections share, and a stranger for which there is no room is closed
//! (`docs/PROTOCOL.md` §14.1). Peers with a session have the window.

mod stream;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent, StreamMuxerExt as _};
use peer_behaviours::limits::Admitted;

use self::stream::{Shared, Stream};
use super::multiplex::{Account, OWN, Store};
use super::pace::Pace;

/// Streams that wait while the swarm takes no more. A stranger's others are refused.
const MAX_WAITING: usize = 4;

/// Whose connection it is, if the peer has no session.
#[derive(Debug)]
pub(super) struct Stranger {
    peer: PeerId,
    admitted: Arc<Admitted>,
}

impl Stranger {
    /// `None` if the peer has a session.
    pub(super) fn new(peer: PeerId, admitted: Arc<Admitted>) -> Option<Self> {
        let is_admitted = admitted.contains(&peer);
        (!is_admitted).then_some(Self { peer, admitted })
    }
}

/// A multiplexed connection on which a stranger leaves little unread.
#[derive(Debug)]
pub(super) struct Drained<M: StreamMuxer> {
    inner: M,
    /// Until the peer has a session.
    stranger: Option<Stranger>,
    account: Arc<Account>,
    /// Those of a stranger.
    streams: Vec<Weak<Shared<M::Substream>>>,
    waiting: VecDeque<Stream<M::Substream>>,
    pace: Pace,
    /// The next stream's number in the account.
    next: u32,
}

impl<M> Drained<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: AsyncRead + AsyncWrite + Unpin,
    M::Error: Send + Sync + 'static,
{
    pub(super) fn new(inner: M, stranger: Option<Stranger>, store: Arc<Store>) -> Self {
        Self {
            inner,
            stranger,
            account: Account::new(store, OWN),
            streams: Vec::new(),
            waiting: VecDeque::new(),
            pace: Pace::default(),
            next: 0,
        }
    }

    /// Reads what has come from a stranger.
    fn drain(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.account.check(cx.waker())?;
        if let Some(Stranger { peer, admitted }) = &self.stranger {
            let is_admitted = admitted.contains(peer);
            self.streams.retain(|stream| stream.strong_count() > 0);
            for stream in self.streams.iter().filter_map(Weak::upgrade) {
                if is_admitted {
                    stream.leave();
                } else {
                    stream.drain(cx)?;
                }
            }
            if is_admitted {
                (self.stranger, self.streams) = (None, Vec::new());
            }
        }
        self.account.settle();
        Ok(())
    }

    fn stream(&mut self, inner: M::Substream) -> Stream<M::Substream> {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let account = self.stranger.is_some().then(|| (id, Arc::clone(&self.account)));
        let shared = Arc::new(Shared::new(inner, account));
        if self.stranger.is_some() {
            self.streams.push(Arc::downgrade(&shared));
        }
        Stream::new(shared)
    }

    /// A stream that comes in; `None` for one that a stranger has opened too soon after others. Those of a
    /// peer with a session wait in its window.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<M::Substream>>> {
        let is_paused = self.pace.poll(cx).is_pending();
        if is_paused && self.stranger.is_none() {
            return Poll::Pending;
        }
        let stream = ready!(self.inner.poll_inbound_unpin(cx)).map_err(io::Error::other)?;
        if is_paused {
            return Poll::Ready(Ok(None));
        }
        self.pace.take();
        Poll::Ready(Ok(Some(stream)))
    }
}

impl<M> StreamMuxer for Drained<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: AsyncRead + AsyncWrite + Unpin,
    M::Error: Send + Sync + 'static,
{
    type Substream = Stream<M::Substream>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        if let Some(stream) = self.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let Some(stream) = ready!(self.poll_arrival(cx))? else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(self.inner.poll_outbound_unpin(cx)).map_err(io::Error::other)?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_close_unpin(cx).map_err(io::Error::other)
    }

    /// One stream at a time, so that the swarm has its turn between two as long as it takes them.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let this = &mut *self;
        this.drain(cx)?;
        let is_full = this.waiting.len() >= MAX_WAITING;
        if is_full && this.stranger.is_none() {
            return this.inner.poll_unpin(cx).map_err(io::Error::other);
        }
        match this.poll_arrival(cx) {
            Poll::Ready(stream) => {
                // One that is dropped is reset.
                if let Some(stream) = stream?
                    && !is_full
                {
                    let stream = this.stream(stream);
                    this.waiting.push_back(stream);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => this.inner.poll_unpin(cx).map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests;
