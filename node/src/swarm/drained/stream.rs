//! A stream that its connection reads too.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite};

use crate::swarm::multiplex::{Account, NO_NAME, Names};

/// What the connection reads at once.
const PIECE: usize = 4 << 10;
/// Why a connection is closed.
const NO_ROOM: &str = "a stranger leaves more unread than there is room for";

/// What a stream and its connection share.
#[derive(Debug)]
pub(super) struct Shared<S>(Mutex<State<S>>);

#[derive(Debug)]
struct State<S> {
    io: S,
    /// Its number in the account, as long as it counts there: a stranger's.
    account: Option<(u32, Arc<Account>)>,
    /// The connection reads no more: the peer has a session.
    left: bool,
    /// What the connection has read, and how it ended.
    unread: VecDeque<u8>,
    ended: Option<io::Result<()>>,
    /// Whoever waits for more.
    reader: Option<Waker>,
    names: Names,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// A stream with this number in an account, if it is to count there.
    pub(super) fn new(io: S, account: Option<(u32, Arc<Account>)>) -> Self {
        if let Some((id, account)) = &account {
            account.opened(*id);
        }
        let left = account.is_none();
        let (unread, names) = (VecDeque::new(), Names::default());
        Self(Mutex::new(State { io, account, left, unread, ended: None, reader: None, names }))
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn drain(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut state = self.state();
        let mut piece = [0; PIECE];
        while state.ended.is_none() {
            let read = match Pin::new(&mut state.io).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(0)) => Err(Ok(())),
                Poll::Ready(Ok(len)) => Ok(len),
                Poll::Ready(Err(error)) => Err(Err(error)),
                Poll::Pending => break,
            };
            match read {
                Ok(len) => {
                    state.arrives(len, cx)?;
                    state.unread.extend(piece.get(..len).unwrap_or_default());
                }
                Err(ended) => state.ended = Some(ended),
            }
            state.reader.take().into_iter().for_each(Waker::wake);
        }
        Ok(())
    }

    /// From now on only its owner reads it.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.left = true;
        // It is the connection that is woken when more comes, until its owner reads.
        state.reader.take().into_iter().for_each(Waker::wake);
    }
}

impl<S> Shared<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> State<S> {
    /// So many bytes have come.
    fn arrives(&self, len: usize, cx: &Context<'_>) -> io::Result<()> {
        let Some((id, account)) = &self.account else { return Ok(()) };
        if account.arrives(*id, len, true, cx.waker())? {
            return Ok(());
        }
        account.end(NO_ROOM);
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, NO_ROOM))
    }

    /// Its owner has read so many bytes.
    fn read(&self, len: usize) {
        if let Some((id, account)) = &self.account {
            account.read(*id, len);
        }
    }
}

impl<S: AsyncRead + Unpin> State<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.unread.is_empty() {
            let len = self.unread.read(buffer)?;
            self.read(len);
            if self.unread.is_empty() {
                self.unread = VecDeque::new();
            }
            return Poll::Ready(Ok(len));
        }
        match &self.ended {
            None => {}
            Some(Ok(())) => return Poll::Ready(Ok(0)),
            Some(Err(error)) => {
                return Poll::Ready(Err(io::Error::new(error.kind(), error.to_string())));
            }
        }
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(len @ 1..)) if !self.left => {
                self.arrives(*len, cx)?;
                self.read(*len);
            }
            Poll::Pending if !self.left => self.reader = Some(cx.waker().clone()),
            _ => {}
        }
        read
    }
}

/// The stream.
#[derive(Debug)]
pub(in crate::swarm) struct Stream<S>(Arc<Shared<S>>);

impl<S> Stream<S> {
    pub(super) const fn new(shared: Arc<Shared<S>>) -> Self {
        Self(shared)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        let read = state.poll_read(cx, buffer);
        if let Poll::Ready(Ok(len)) = read {
            let names = state.names.read(buffer.get(..len).unwrap_or_default());
            names.inspect_err(|_| {
                if let Some((_, account)) = &state.account {
                    account.end(NO_NAME);
                }
            })?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        let written = Pin::new(&mut state.io).poll_write(cx, buffer);
        if let Poll::Ready(Ok(len)) = written {
            state.names.write(buffer.get(..len).unwrap_or_default());
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.state().io).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.state().io).poll_close(cx)
    }
}

impl<S> Drop for Stream<S> {
    fn drop(&mut self) {
        if let Some((id, account)) = &self.0.state().account {
            account.dropped(*id);
        }
    }
}
