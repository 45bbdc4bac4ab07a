//! What comes below Noise, which keeps the bytes of a frame until it is complete and then until it is
//! read: 64 KiB of every connection, if its other side leaves out the last one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::account::Account;
use super::frames::Waiting;
use super::store::Store;

/// Noise reads so much at once; what one such piece brings needs no room.
const PIECE: usize = 8 << 10;
/// The name after which Noise's frames begin, and the longest that may be proposed before it.
const NOISE: &[u8] = b"/noise\n";
const LONGEST: usize = 127;
/// Names that may be proposed.
const PROPOSALS: usize = 16;

/// A connection below Noise.
pub(in crate::swarm) struct Wire<C> {
    io: C,
    account: Arc<Account>,
    /// Names that were proposed, and the last one as far as it is there; `None` behind the last.
    proposals: Option<(usize, Vec<u8>)>,
    /// Bytes of the length of a frame.
    head: Option<u8>,
    /// The frame under way, and how much of it is missing.
    len: usize,
    missing: usize,
    /// There is room for it.
    admitted: bool,
    /// Noise has a whole frame, for which there is room in the account.
    complete: bool,
    waiting: Option<Waiting>,
}

impl<C> Wire<C> {
    pub(in crate::swarm) fn new(io: C, store: Arc<Store>) -> Self {
        Self {
            io,
            account: Account::new(store, PIECE),
            proposals: Some((0, Vec::new())),
            head: None,
            len: 0,
            missing: 0,
            admitted: false,
            complete: false,
            waiting: None,
        }
    }

    /// Follows what has come.
    fn note(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.proposals.is_some() {
                self.propose(*first)?;
                bytes = rest;
            } else if self.missing > 0 {
                let most = self.missing.min(bytes.len());
                self.missing -= most;
                bytes = bytes.get(most..).unwrap_or_default();
                if self.missing == 0 && self.admitted {
                    (self.admitted, self.complete) = (false, true);
                }
            } else {
                bytes = rest;
                match self.head.take() {
                    None => self.head = Some(*first),
                    Some(high) => {
                        self.len = usize::from(u16::from_be_bytes([high, *first]));
                        self.missing = self.len;
                    }
                }
            }
        }
        Ok(())
    }

    /// One more byte of a name: its length, or what follows.
    fn propose(&mut self, byte: u8) -> io::Result<()> {
        let Some((number, name)) = &mut self.proposals else { return Ok(()) };
        name.push(byte);
        let len = name.first().map_or(0, |len| usize::from(*len));
        if len > LONGEST || *number >= PROPOSALS {
            let reason = "no security protocol is proposed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        if name.len() > len {
            if name.get(1..) == Some(NOISE) {
                self.proposals = None;
            } else {
                *number += 1;
                name.clear();
            }
        }
        Ok(())
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Wire<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.account.check(cx.waker())?;
        if std::mem::take(&mut this.complete) {
            // Whoever reads on has used it up.
            this.account.dropped(0);
            this.account.settle();
        }
        if this.missing > 0 && this.len > PIECE && !this.admitted {
            let frame = (0, this.len, true);
            ready!(Waiting::poll_room(&mut this.waiting, &this.account, frame, cx))?;
            this.admitted = true;
        }
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        this.note(buffer.get(..read).unwrap_or_default())?;
        Poll::Ready(Ok(read))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Wire<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.account.check(cx.waker())?;
        Pin::new(&mut self.io).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
