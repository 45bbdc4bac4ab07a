//! The second carrier: session streams (`docs/PROTOCOL.md` §14.4). They belong to the driver of their
//! peer, which reads and writes them itself: between the link and the connection there is no other task.

mod handler;
mod incoming;
mod outgoing;
pub(crate) mod reader;
mod wish;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use libp2p_swarm::{ConnectionId, Stream};
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::link::{ExchangeId, RequestId};
use peer_protocol::stream::FrameId;
use peer_protocol::time::Instant;

pub(super) use self::handler::{Handler, Open, Told};
use self::incoming::Incoming;
use self::outgoing::{Came, Outgoing};
pub(super) use self::wish::Wish;
use super::carrier::is_refusal;
use crate::budget::Budget;

/// Streams of each kind that a peer has at once: one in use, others that are just coming or going. A
/// further one takes the oldest one's place.
const MAX_STREAMS: usize = 2;

/// Marks exchanges that came on a stream, among those of request–response, which count up from zero.
const STREAMED: u64 = 1 << 62;
/// Bits of an exchange that hold the frame's number; above them is the stream's.
const FRAME_BITS: u32 = 32;
/// Streams are numbered with so many bits, over and over.
const MAX_NUMBER: u32 = (1 << 29) - 1;

/// Who opened a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    Own,
    Peer,
}

/// What streams bring.
pub(super) enum News {
    /// The peer asks.
    Asked(ConnectionId, ExchangeId, Result<Envelope, EnvelopeError>),
    /// It answers.
    Answered(ConnectionId, RequestId, Vec<u8>),
    /// A request will not be answered.
    Failed(RequestId),
    /// Requests can go over a stream now.
    Usable,
    /// A stream that this side opened is gone; whether it ever was of use.
    Lost(bool),
    /// The peer does not speak the protocol on this connection.
    Refused(ConnectionId),
}

/// All streams with one peer.
pub(super) struct Streams {
    budget: Budget,
    /// The newest last. The newest that is usable is used.
    outgoing: VecDeque<Outgoing>,
    incoming: VecDeque<Incoming>,
    next_number: u32,
    /// What is known already. At most one entry for each request under way, and each stream.
    news: VecDeque<News>,
}

impl Streams {
    pub(super) const fn new(budget: Budget) -> Self {
        Self {
            budget,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            next_number: 0,
            news: VecDeque::new(),
        }
    }

    /// A new stream.
    pub(super) fn add(&mut self, opener: Opener, connection: ConnectionId, stream: Stream) {
        let budget = self.budget.clone();
        match opener {
            Opener::Own => {
                if self.outgoing.len() >= MAX_STREAMS {
                    self.lose(0);
                }
                self.outgoing.push_back(Outgoing::new(connection, stream, budget));
            }
            Opener::Peer => {
                if self.incoming.len() >= MAX_STREAMS {
                    self.incoming.pop_front();
                }
                let number = self.next_number;
                self.next_number = (number + 1) & MAX_NUMBER;
                self.incoming.push_back(Incoming::new(number, connection, stream, budget));
            }
        }
    }

    /// Gives a request to a stream; gives the envelope back if there is none for it.
    pub(super) fn ask(
        &mut self,
        id: RequestId,
        envelope: Vec<u8>,
        now: Instant,
    ) -> Result<(), Vec<u8>> {
        let fitting = |it: &&mut Outgoing| it.is_usable() && it.fits(envelope.len());
        match self.outgoing.iter_mut().rev().find(fitting) {
            Some(stream) => {
                stream.ask(id, envelope, now);
                Ok(())
            }
            None => Err(envelope),
        }
    }

    /// Answers a request that came on a stream, or says that there will be no answer; gives back what
    /// came another way.
    pub(super) fn answer(
        &mut self,
        exchange: ExchangeId,
        envelope: Option<Vec<u8>>,
    ) -> Result<(), Option<Vec<u8>>> {
        let Some((number, frame)) = streamed(exchange) else { return Err(envelope) };
        // Whoever waited on a stream that is gone asks again.
        if let Some(stream) = self.incoming.iter_mut().find(|it| it.number == number) {
            stream.answer(frame, envelope);
        }
        Ok(())
    }

    /// Whether requests can go over a stream.
    pub(super) fn is_usable(&self) -> bool {
        self.outgoing.iter().any(Outgoing::is_usable)
    }

    /// The connections on which requests are unanswered.
    pub(super) fn silent(&self) -> impl Iterator<Item = ConnectionId> {
        self.outgoing.iter().filter(|it| it.is_waiting()).map(|it| it.connection)
    }

    /// Writes what waits, then tells what came.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<News> {
        self.write(cx);
        loop {
            if let Some(news) = self.news.pop_front() {
                return Poll::Ready(news);
            }
            let read = self.read_outgoing(cx, now) | self.read_incoming(cx);
            if !read {
                return Poll::Pending;
            }
        }
    }

    /// Writes what waits, as far as that goes.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) {
        for place in (0..self.outgoing.len()).rev() {
            let Some(stream) = self.outgoing.get_mut(place) else { continue };
            if let Poll::Ready(Err(error)) = stream.poll_write(cx) {
                self.broken(place, &error);
            } else if stream.is_over() {
                self.outgoing.remove(place);
                // Whoever has something for a stream from now on asks for another.
                if self.outgoing.is_empty() {
                    self.news.push_back(News::Lost(true));
                }
            }
        }
        self.incoming.retain_mut(|stream| match stream.poll_write(cx) {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a stream of the peer broke");
                false
            }
            Poll::Ready(Ok(())) | Poll::Pending => !stream.is_over(),
        });
    }

    /// Reads one frame of each stream of this side; returns whether anything came.
    fn read_outgoing(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut read = false;
        for place in (0..self.outgoing.len()).rev() {
            let Some(stream) = self.outgoing.get_mut(place) else { continue };
            let connection = stream.connection;
            match stream.poll_read(cx, now) {
                Poll::Pending => continue,
                Poll::Ready(Ok(Came::Answer(id, bytes))) => {
                    self.news.push_back(News::Answered(connection, id, bytes));
                }
                Poll::Ready(Ok(Came::Dropped(id))) => self.news.push_back(News::Failed(id)),
                Poll::Ready(Ok(Came::Granted)) => {
                    self.outgoing.iter_mut().take(place).for_each(Outgoing::retire);
                    self.news.push_back(News::Usable);
                }
                Poll::Ready(Err(error)) => self.broken(place, &error),
            }
            read = true;
        }
        read
    }

    /// Reads one frame of each of the peer's streams; returns whether anything came.
    fn read_incoming(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { incoming, news, .. } = self;
        let mut read = false;
        incoming.retain_mut(|stream| match stream.poll_read(cx) {
            Poll::Pending => !stream.is_over(),
            Poll::Ready(Ok((frame, envelope))) => {
                let exchange = exchange(stream.number, frame);
                news.push_back(News::Asked(stream.connection, exchange, envelope));
                read = true;
                true
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a stream of the peer is closed");
                false
            }
        });
        read
    }

    fn broken(&mut self, place: usize, error: &io::Error) {
        tracing::debug!(%error, "a session stream broke");
        if is_refusal(error)
            && let Some(stream) = self.outgoing.get(place)
        {
            self.news.push_back(News::Refused(stream.connection));
        }
        self.lose(place);
    }

    /// What was under way on a stream has failed; the link sends it again.
    fn lose(&mut self, place: usize) {
        if let Some(mut stream) = self.outgoing.remove(place) {
            self.news.extend(stream.close().into_iter().map(News::Failed));
            self.news.push_back(News::Lost(stream.is_granted()));
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.outgoing.iter().filter_map(Outgoing::next_timeout).min()
    }

    /// Gives up requests without an answer, and streams without any.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for place in (0..self.outgoing.len()).rev() {
            let Some(stream) = self.outgoing.get_mut(place) else { continue };
            match stream.give_up(now) {
                Ok(requests) => self.news.extend(requests.into_iter().map(News::Failed)),
                Err(requests) => {
                    self.news.extend(requests.into_iter().map(News::Failed));
                    self.lose(place);
                }
            }
        }
    }

    /// There is no session any more: what is under way may end, such as the word that there is none.
    pub(super) fn retire(&mut self) {
        self.outgoing.iter_mut().for_each(Outgoing::retire);
    }
}

const fn exchange(number: u32, frame: FrameId) -> ExchangeId {
    ExchangeId(STREAMED | ((number as u64) << FRAME_BITS) | frame.0 as u64)
}

/// The stream's and the frame's number of an exchange that came on a stream.
fn streamed(exchange: ExchangeId) -> Option<(u32, FrameId)> {
    let (kind, rest) = (exchange.0 >> 62, exchange.0 & !STREAMED);
    let number = u32::try_from(rest >> FRAME_BITS).ok()?;
    let frame = u32::try_from(rest & u64::from(u32::MAX)).ok()?;
    (kind == 1).then_some((number, FrameId(frame)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_of_streams_are_told_from_others() {
        for (number, frame) in [(0, 0), (MAX_NUMBER, u32::MAX), (7, 3)] {
            let id = exchange(number, FrameId(frame));
            assert_eq!(streamed(id), Some((number, FrameId(frame))));
        }
        assert_eq!(streamed(ExchangeId(5)), None);
        assert_eq!(streamed(ExchangeId((1 << 63) | 5)), None, "over hops");
    }
}
