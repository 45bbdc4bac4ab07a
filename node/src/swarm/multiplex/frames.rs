//! What Yamux reads, frame by frame: before one is handed on there is room for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::WINDOW;
use super::account::Account;

/// Bytes before the body of a frame.
const HEAD: usize = 12;
/// The kinds of frames that are about a stream.
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
/// The flag of a frame that opens its stream.
const OPENS: u16 = 1;

/// A connection below Yamux.
pub(super) struct Frames<C> {
    io: C,
    account: Arc<Account>,
    head: [u8; HEAD],
    /// Bytes of the head that are there, and those that were handed on.
    filled: usize,
    given: usize,
    /// There is room for the frame.
    admitted: bool,
    /// Bytes that are missing of the body.
    body: usize,
    /// There was no room for the frame.
    waiting: Option<Waiting>,
}

/// A frame that waits for room.
pub(super) struct Waiting(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Waiting {
    /// Ready once `account` has taken in a frame: its stream, its length, whether it opens the stream.
    pub(super) fn poll_room(
        waiting: &mut Option<Self>,
        account: &Arc<Account>,
        (id, len, opens): (u32, usize, bool),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(Self(returned)) = waiting
                && returned.as_mut().poll(cx).is_ready()
            {
                *waiting = None;
            }
            if account.arrives(id, len, opens, cx.waker())? {
                *waiting = None;
                return Poll::Ready(Ok(()));
            }
            if waiting.is_some() {
                return Poll::Pending;
            }
            *waiting = Some(Self(Box::pin(Arc::clone(account.store()).returned())));
        }
    }
}

impl<C> std::fmt::Debug for Frames<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("account", &self.account).finish_non_exhaustive()
    }
}

impl<C> Frames<C> {
    pub(super) const fn new(io: C, account: Arc<Account>) -> Self {
        let (head, filled, given, body) = ([0; HEAD], 0, 0, 0);
        Self { io, account, head, filled, given, admitted: false, body, waiting: None }
    }

    /// Ready once there is room for the frame whose head is there.
    fn poll_admit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let [_, kind, f0, f1, i0, i1, i2, i3, l0, l1, l2, l3] = self.head;
        let [id, number] = [[i0, i1, i2, i3], [l0, l1, l2, l3]].map(u32::from_be_bytes);
        let opens = u16::from_be_bytes([f0, f1]) & OPENS != 0;
        let len = if kind == DATA { number as usize } else { 0 };
        if len > WINDOW {
            let reason = format!("a frame of {len} bytes");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        if matches!(kind, DATA | WINDOW_UPDATE) {
            let frame = (id, len, opens);
            ready!(Waiting::poll_room(&mut self.waiting, &self.account, frame, cx))?;
        }
        self.admitted = true;
        self.body = len;
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Frames<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.account.check(cx.waker())?;
        if this.filled == 0 && this.body > 0 {
            let most = buffer.len().min(this.body);
            let part = buffer.get_mut(..most).unwrap_or_default();
            let read = ready!(Pin::new(&mut this.io).poll_read(cx, part))?;
            this.body -= read;
            return Poll::Ready(Ok(read));
        }
        while this.filled < HEAD {
            let rest = this.head.get_mut(this.filled..).unwrap_or_default();
            match ready!(Pin::new(&mut this.io).poll_read(cx, rest))? {
                0 if this.filled == 0 => return Poll::Ready(Ok(0)),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => this.filled += read,
            }
        }
        if !this.admitted {
            ready!(this.poll_admit(cx))?;
        }
        let rest = this.head.get(this.given..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(from), Some(to)) = (rest.get(..len), buffer.get_mut(..len)) {
            to.copy_from_slice(from);
        }
        this.given += len;
        if this.given == HEAD {
            (this.filled, this.given, this.admitted) = (0, 0, false);
        }
        Poll::Ready(Ok(len))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Frames<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.account.check(cx.waker())?;
        let written = Pin::new(&mut self.io).poll_write(cx, buffer);
        self.account.wrote(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
