//! A stream that the peer opened: requests come in, answers go out.

use std::io;
use std::task::{Context, Poll, ready};

use futures::io::WriteHalf;
use futures::{AsyncReadExt as _, StreamExt as _};
use libp2p_swarm::{ConnectionId, Stream};
use peer_protocol::envelope::{Envelope, EnvelopeError, EnvelopeKind};
use peer_protocol::stream::{Answering, Credit, FrameId};

use super::reader::{Frame, Frames, Sender, frames, violation};
use super::writer::Writer;
use crate::budget::Budget;

/// While more bytes of answers wait for a peer that does not read them, it is not read from either.
const MAX_UNSENT: usize = 1 << 20;

pub(super) struct Incoming {
    /// Tells it from the peer's other streams, present and past.
    pub(super) number: u32,
    pub(super) connection: ConnectionId,
    frames: Frames,
    writer: Writer<WriteHalf<Stream>>,
    answering: Answering,
    /// The peer asks nothing more.
    ended: bool,
}

impl Incoming {
    pub(super) fn new(
        number: u32,
        connection: ConnectionId,
        stream: Stream,
        budget: Budget,
    ) -> Self {
        let (read, write) = stream.split();
        let answering = Answering::new(Credit::GRANT);
        let (head, credit) = answering.grant();
        let mut writer = Writer::new(write);
        writer.push(head, credit.encode().to_vec());
        let frames = frames(read, Sender::Asks, budget);
        Self { number, connection, frames, writer, answering, ended: false }
    }

    /// Whether it is of no more use.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.answering.unanswered() == 0 && self.writer.unsent() == 0
    }

    /// Answers a request, or says that there will be no answer.
    pub(super) fn answer(&mut self, id: FrameId, envelope: Option<Vec<u8>>) {
        if let Some(head) = self.answering.answer(id, envelope.as_ref().map(Vec::len)) {
            self.writer.push(head, envelope.unwrap_or_default());
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_write(cx)
    }

    /// The next request; an error if the stream is of no more use.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(FrameId, Result<Envelope, EnvelopeError>)>> {
        if self.ended || self.writer.unsent() > MAX_UNSENT {
            return Poll::Pending;
        }
        let Some(frame) = ready!(self.frames.poll_next_unpin(cx)) else {
            self.ended = true;
            return Poll::Pending;
        };
        let Frame { head, body } = frame?;
        self.answering.asked(head.id, body.len()).map_err(violation)?;
        let envelope = Envelope::decode(body);
        // Handshakes are subject to limits that only the behaviour keeps.
        if let Ok(envelope) = &envelope
            && envelope.header().kind != EnvelopeKind::Sealed
        {
            let detail = "only sealed envelopes travel on a session stream";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, detail)));
        }
        Poll::Ready(Ok((head.id, envelope)))
    }
}
