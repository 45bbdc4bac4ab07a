//! Reading frames.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use futures::AsyncRead;
use futures::stream::{Stream, try_unfold};
use peer_protocol::stream::{HEAD_LEN, Head, Violation};

use crate::budget::Budget;

/// What is read at once where the length of what comes is not known: several small frames. Of a long one it
/// is what is copied once more.
const AHEAD: usize = 2 << 10;
/// A frame that counts towards the budget must be complete after this long: the same time that its
/// sender has for an answer.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// The frames of a stream, until it ends.
pub(crate) type Frames = Pin<Box<dyn Stream<Item = io::Result<Frame>> + Send>>;

/// Which side of a stream sends what is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Asks,
    Answers,
}

/// Reads frames as `sender` may send them.
pub(crate) fn frames<R>(io: R, sender: Sender, budget: Budget) -> Frames
where
    R: AsyncRead + Unpin + Send + 'static,
{
    let reader = Reader { io, sender, budget, ahead: Vec::new(), taken: 0 };
    Box::pin(try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|frame| (frame, reader)))
    }))
}

struct Reader<R> {
    io: R,
    sender: Sender,
    budget: Budget,
    /// Read, but not used up; `taken` of it is.
    ahead: Vec<u8>,
    taken: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// The next frame; `None` if the stream ends before it.
    async fn next(&mut self) -> io::Result<Option<Frame>> {
        let Some(head) = self.head().await? else { return Ok(None) };
        let len = head.len as usize;
        let ready = self.ahead.len() - self.taken;
        let mut body = Vec::with_capacity(len.min(ready.max(AHEAD)));
        self.take(len.min(ready), &mut body);
        if body.len() < len {
            let (io, budget) = (&mut self.io, &self.budget);
            let rest = budget.read_on(io, body, len, Some(FRAME_TIMEOUT));
            body = rest.await?;
        }
        Ok(Some(Frame { head, body }))
    }

    async fn head(&mut self) -> io::Result<Option<Head>> {
        while self.ahead.len() - self.taken < HEAD_LEN {
            if self.read_ahead().await? == 0 {
                let clean = self.ahead.len() == self.taken;
                return if clean { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        let mut head = Vec::with_capacity(HEAD_LEN);
        self.take(HEAD_LEN, &mut head);
        let head: [u8; HEAD_LEN] =
            head.try_into().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let head = Head::decode(head).map_err(violation)?;
        if head.kind.asks() != (self.sender == Sender::Asks) {
            return Err(violation(Violation::WrongSide { kind: head.kind }));
        }
        Ok(Some(head))
    }

    /// Moves `len` bytes of what is there.
    fn take(&mut self, len: usize, to: &mut Vec<u8>) {
        let end = self.taken + len;
        to.extend_from_slice(self.ahead.get(self.taken..end).unwrap_or_default());
        self.taken = end;
        if self.taken == self.ahead.len() {
            self.ahead.clear();
            self.taken = 0;
        }
    }

    /// Reads what there is. While nothing comes, no memory is held for it.
    async fn read_ahead(&mut self) -> io::Result<usize> {
        let Self { io, ahead, taken, .. } = self;
        poll_fn(|cx| {
            let mut piece = [0; AHEAD];
            let read = Pin::new(&mut *io).poll_read(cx, &mut piece);
            if read.is_pending() && ahead.is_empty() {
                *ahead = Vec::new();
            }
            let len = ready!(read)?;
            ahead.drain(..*taken);
            *taken = 0;
            ahead.extend_from_slice(piece.get(..len).unwrap_or_default());
            Poll::Ready(Ok(len))
        })
        .await
    }
}

/// A violation as an error of the stream.
pub(super) fn violation(violation: Violation) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, violation)
}
