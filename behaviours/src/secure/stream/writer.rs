//! Writing frames: small ones together, large ones without copying more than their beginning.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::AsyncWrite;
use peer_protocol::spare;
use peer_protocol::stream::Head;

/// What is written at once: a frame of Yamux.
const PIECE: usize = 16 << 10;

/// Bytes, of which those before `start` are written already.
struct Piece {
    bytes: Vec<u8>,
    start: usize,
}

/// The writing half of a stream, and what waits for it. Whoever fills it asks [`Writer::unsent`] first.
pub(super) struct Writer<W> {
    io: W,
    queue: VecDeque<Piece>,
    unsent: usize,
    flushed: bool,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) const fn new(io: W) -> Self {
        Self { io, queue: VecDeque::new(), unsent: 0, flushed: true }
    }

    /// Bytes that wait.
    pub(super) const fn unsent(&self) -> usize {
        self.unsent
    }

    /// Queues a frame. `head` goes together with what is before it, and with the beginning of `body`.
    pub(super) fn push(&mut self, head: Head, body: Vec<u8>) {
        let head = head.encode();
        self.unsent += head.len() + body.len();
        let with_head = |piece: &mut Piece| {
            let room = PIECE.saturating_sub(piece.bytes.len() + head.len());
            let (beginning, _) = body.split_at_checked(room).unwrap_or((&body, &[]));
            piece.bytes.extend_from_slice(&head);
            piece.bytes.extend_from_slice(beginning);
            beginning.len()
        };
        let joins = |piece: &&mut Piece| piece.bytes.len() + head.len() < PIECE;
        let begun = match self.queue.back_mut().filter(joins) {
            Some(last) => with_head(last),
            None => {
                let len = PIECE.min(head.len() + body.len());
                let mut piece = Piece { bytes: Vec::with_capacity(len), start: 0 };
                let begun = with_head(&mut piece);
                self.queue.push_back(piece);
                begun
            }
        };
        if begun < body.len() {
            self.queue.push_back(Piece { bytes: body, start: begun });
        }
    }

    /// Writes what it can, and lets it go out.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(piece) = self.queue.front_mut() {
            let rest = piece.bytes.get(piece.start..).unwrap_or_default();
            if rest.is_empty() {
                if let Some(piece) = self.queue.pop_front() {
                    spare::give(piece.bytes);
                }
                continue;
            }
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            piece.start += written;
            self.unsent -= written;
            self.flushed = false;
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = true;
            self.queue = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }
}
