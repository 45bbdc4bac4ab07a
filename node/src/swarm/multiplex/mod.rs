//! Yamux, and an account of what lies in memory because nobody has read it yet. Yamux lets every stream
//! of every connection have 256 KiB unread, and Noise every connection 64 KiB of a frame, which adds up to
//! gigabytes for whoever opens many streams from many peer ids. Here all connections share one store for that, and one that finds no room in it is
//! not read until there is some (`docs/PROTOCOL.md` §14.1).

mod account;
mod frames;
mod names;
mod store;
mod stream;
mod wire;

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, FrameDecodeError, Mode};

pub(super) use self::account::{Account, OWN};
use self::frames::Frames;
pub(super) use self::names::{NO_NAME, Names};
#[cfg(test)]
pub(super) use self::store::ROOM;
pub(super) use self::store::Store;
pub(super) use self::stream::Stream;
pub(super) use self::wire::Wire;

/// Streams of one connection, of both sides.
const MAX_STREAMS: usize = 256;
/// What the window of every stream starts with is Yamux's to say.
const WINDOW: usize = yamux::DEFAULT_CREDIT as usize;
/// By how much the windows of one connection's streams may grow together beyond that, for lines that are
/// fast and long.
const GROWTH: usize = 2 << 20;
/// Streams that came in while the swarm did not ask for any.
const MAX_ARRIVED: usize = 2;

/// How connections are multiplexed.
#[derive(Debug, Clone)]
pub(super) struct Config {
    yamux: yamux::Config,
    store: Arc<Store>,
}

impl Config {
    /// With one account each in `store`.
    pub(super) fn new(store: Arc<Store>) -> Self {
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(MAX_STREAMS);
        yamux.set_max_connection_receive_window(Some(MAX_STREAMS * WINDOW + GROWTH));
        Self { yamux, store }
    }

    /// A connection below Noise, whose frames have room in the same store.
    pub(super) fn wire<C>(&self, io: C) -> Wire<C> {
        Wire::new(io, Arc::clone(&self.store))
    }

    fn muxer<C>(self, io: C, mode: Mode) -> Muxer<C>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let account = Account::new(self.store, OWN);
        let io = Frames::new(io, Arc::clone(&account));
        let connection = Connection::new(io, self.yamux, mode);
        Muxer { connection, account, arrived: VecDeque::new() }
    }
}

impl UpgradeInfo for Config {
    type Info = &'static str;
    type InfoIter = iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.muxer(io, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(self.muxer(io, Mode::Client)))
    }
}

/// A multiplexed connection.
#[derive(Debug)]
pub(super) struct Muxer<C> {
    connection: Connection<Frames<C>>,
    account: Arc<Account>,
    arrived: VecDeque<Stream>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    /// Moves bytes until a stream comes in.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self.connection.poll_next_inbound(cx) {
            Poll::Ready(Some(Ok(stream))) => {
                Poll::Ready(Ok(Stream::new(stream, Arc::clone(&self.account))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(reason(error))),
            Poll::Ready(None) => Poll::Ready(Err(reason(ConnectionError::Closed))),
            Poll::Pending => {
                // By now Yamux has let go of the streams that were dropped, unless it is still writing.
                self.account.settle();
                Poll::Pending
            }
        }
    }
}

fn reason(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) | ConnectionError::Decode(FrameDecodeError::Io(error)) => error,
        error => io::Error::other(error),
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        match self.arrived.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => self.poll_next(cx),
        }
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let opened = self.connection.poll_new_outbound(cx).map_err(reason);
        opened.map_ok(|stream| Stream::new(stream, Arc::clone(&self.account)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(reason)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        match self.poll_next(cx) {
            Poll::Ready(Ok(stream)) => {
                // One that is dropped is reset.
                if self.arrived.len() < MAX_ARRIVED {
                    self.arrived.push_back(stream);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
pub(super) mod pipe;
#[cfg(test)]
mod tests;
