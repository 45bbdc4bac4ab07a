//! A stream that this side opened: requests go out, answers come back.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::io::WriteHalf;
use futures::{AsyncReadExt as _, StreamExt as _};
use libp2p_swarm::{ConnectionId, Stream};
use peer_protocol::link::RequestId;
use peer_protocol::stream::{Answered, Asking, CREDIT_LEN, Credit, Kind, Violation};
use peer_protocol::time::Instant;

use super::reader::{Frame, Frames, Sender, frames, violation};
use super::writer::Writer;
use crate::budget::Budget;

/// A request that nobody answers has failed after this long, as on `/peer/1.1.0`.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A request that waits for credit.
struct Waiting {
    request: RequestId,
    envelope: Vec<u8>,
    since: Instant,
}

/// What came.
pub(super) enum Came {
    /// Credit for the first time: the stream can be used.
    Granted,
    /// An answer.
    Answer(RequestId, Vec<u8>),
    /// The word that there will be none.
    Dropped(RequestId),
}

pub(super) struct Outgoing {
    pub(super) connection: ConnectionId,
    frames: Frames,
    writer: Writer<WriteHalf<Stream>>,
    asking: Asking,
    /// The link bounds how many requests are under way, and their bytes.
    waiting: VecDeque<Waiting>,
    /// Another one took its place; what is under way may end.
    retired: bool,
}

impl Outgoing {
    pub(super) fn new(connection: ConnectionId, stream: Stream, budget: Budget) -> Self {
        let (read, write) = stream.split();
        Self {
            connection,
            frames: frames(read, Sender::Answers, budget),
            writer: Writer::new(write),
            asking: Asking::new(),
            waiting: VecDeque::new(),
            retired: false,
        }
    }

    /// Whether requests may be given to it.
    pub(super) const fn is_usable(&self) -> bool {
        self.asking.is_granted() && !self.asking.is_exhausted() && !self.retired
    }

    pub(super) const fn is_granted(&self) -> bool {
        self.asking.is_granted()
    }

    pub(super) const fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether it is of no more use.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
            && self.asking.unanswered() == 0
            && (self.retired || self.asking.is_exhausted())
    }

    /// Whether requests are unanswered.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.asking.unanswered() > 0
    }

    /// Whether the peer would ever take a request of `len` bytes.
    pub(super) const fn fits(&self, len: usize) -> bool {
        self.asking.fits(len)
    }

    /// Sends a request, at once or when there is credit.
    pub(super) fn ask(&mut self, request: RequestId, envelope: Vec<u8>, now: Instant) {
        self.waiting.push_back(Waiting { request, envelope, since: now });
        self.send_waiting(now);
    }

    fn send_waiting(&mut self, now: Instant) {
        while let Some(first) = self.waiting.front()
            && let Some(head) = self.asking.ask(first.request, first.envelope.len(), now)
            && let Some(first) = self.waiting.pop_front()
        {
            self.writer.push(head, first.envelope);
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_write(cx)
    }

    /// The next thing that came; an error if the stream is of no more use.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<io::Result<Came>> {
        loop {
            let frame = match ready!(self.frames.poll_next_unpin(cx)) {
                Some(frame) => frame?,
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            };
            if let Some(came) = self.take_in(frame, now).map_err(violation)? {
                return Poll::Ready(Ok(came));
            }
        }
    }

    fn take_in(
        &mut self,
        Frame { head, body }: Frame,
        now: Instant,
    ) -> Result<Option<Came>, Violation> {
        match head.kind {
            Kind::Credit => {
                let was_granted = self.asking.is_granted();
                let credit = <[u8; CREDIT_LEN]>::try_from(body.as_slice());
                self.asking.grant(credit.map_or(Credit::NONE, Credit::decode))?;
                self.send_waiting(now);
                Ok((!was_granted && self.asking.is_granted()).then_some(Came::Granted))
            }
            Kind::Answer | Kind::Drop => {
                let answered = self.asking.answered(head.id, now)?;
                self.send_waiting(now);
                Ok(match (answered, head.kind) {
                    (Answered::Late, _) => None,
                    (Answered::Request(id), Kind::Answer) => Some(Came::Answer(id, body)),
                    (Answered::Request(id), _) => Some(Came::Dropped(id)),
                })
            }
            kind @ Kind::Request => Err(Violation::WrongSide { kind }),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.front().map(|waiting| waiting.since + PATIENCE);
        [self.asking.next_timeout(PATIENCE), waiting].into_iter().flatten().min()
    }

    /// Gives up what has been unanswered for too long. An error if nothing at all comes.
    pub(super) fn give_up(&mut self, now: Instant) -> Result<Vec<RequestId>, Vec<RequestId>> {
        if self.asking.is_dead(PATIENCE, now) {
            return Err(self.close());
        }
        let mut given_up = self.asking.give_up(PATIENCE, now);
        let overdue = |waiting: &Waiting| waiting.since + PATIENCE <= now;
        let count = self.waiting.iter().take_while(|waiting| overdue(waiting)).count();
        given_up.extend(self.waiting.drain(..count).map(|waiting| waiting.request));
        Ok(given_up)
    }

    /// It is gone: everything that was under way, in the order in which it was asked.
    pub(super) fn close(&mut self) -> Vec<RequestId> {
        let mut under_way = self.asking.close();
        under_way.extend(self.waiting.drain(..).map(|waiting| waiting.request));
        under_way
    }
}
