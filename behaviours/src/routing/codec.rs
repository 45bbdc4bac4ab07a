//! How packets and outcomes lie on a stream (`docs/PROTOCOL.md` §12.2, §12.3): two frames each.
//!
//! Incoming ones are decoded here, in the connection's own task. So is the check that an answer is
//! signed by the destination of the packet: whoever does not check believes every liar on the way,
//! and teaches the lie to others.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p_swarm::StreamProtocol;
use peer_protocol::crypto::PublicKey;
use peer_protocol::envelope::Envelope;
use peer_protocol::limits::{MAX_ENVELOPE_LEN, MAX_HOP_HEAD_LEN};
use peer_protocol::routing::{Head, Header, HopError, Outcome, Packet};

use crate::budget::{Budget, read_len};

/// What travels as a request.
#[derive(Debug)]
pub enum Request {
    /// On its way out.
    Outgoing(Packet),
    /// Came in: a packet, or why it is none.
    Incoming(Result<Packet, HopError>),
}

/// What travels as a response.
#[derive(Debug)]
pub enum Response {
    /// On its way out.
    Outgoing(Outcome),
    /// Came in: an outcome, its answer signed by the destination; or why it is none.
    Incoming(Result<Outcome, HopError>),
}

/// The codec of `/peer/1.1.0/hop`. What it reads counts towards a [`Budget`] of its own.
#[derive(Debug, Clone)]
pub struct Codec {
    budget: Budget,
    /// Who has to sign the answer. A stream has a clone of the codec to itself.
    destination: Option<PublicKey>,
}

impl Default for Codec {
    fn default() -> Self {
        Self { budget: Budget::hops(), destination: None }
    }
}

/// A head and what follows it, or what is too long about them.
type Frames = Result<(Vec<u8>, Vec<u8>), HopError>;

impl Codec {
    async fn read_frames(&self, io: &mut (impl AsyncRead + Unpin)) -> io::Result<Frames> {
        let len = read_len(io).await?;
        if len > MAX_HOP_HEAD_LEN {
            self.budget.too_long()?;
            return Ok(Err(HopError::HeadTooLong { len }));
        }
        let head = self.budget.read_bytes(io, len).await?;
        let len = read_len(io).await?;
        if len > MAX_ENVELOPE_LEN {
            self.budget.discard(io, len).await?;
            return Ok(Err(HopError::TooLong { len }));
        }
        Ok(Ok((head, self.budget.read_bytes(io, len).await?)))
    }

    fn outcome(&self, frames: Frames) -> Result<Outcome, HopError> {
        let (head, envelope) = frames?;
        let head = Head::decode(&head)?;
        let envelope = match head {
            Head::Answered { .. } => {
                let envelope = Envelope::decode(envelope).map_err(|_| HopError::Forged)?;
                let destination = self.destination.ok_or(HopError::Forged)?;
                envelope.verify(&destination).map_err(|_| HopError::Forged)?;
                envelope.into_bytes()
            }
            Head::Refused(_) => envelope,
        };
        head.with(Bytes::from(envelope))
    }
}

impl libp2p_request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let packet = self.read_frames(io).await?.and_then(|(head, envelope)| {
            Ok(Packet { header: Header::decode(&head)?, envelope: Bytes::from(envelope) })
        });
        Ok(Request::Incoming(packet))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frames = self.read_frames(io).await?;
        Ok(Response::Incoming(self.outcome(frames)))
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let Request::Outgoing(packet) = request else { return Err(sent_on()) };
        self.destination = Some(packet.header.destination);
        write_frame(io, &packet.header.encode(), MAX_HOP_HEAD_LEN).await?;
        write_frame(io, &packet.envelope, MAX_ENVELOPE_LEN).await?;
        io.flush().await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let Response::Outgoing(outcome) = response else { return Err(sent_on()) };
        write_frame(io, &outcome.encode_head(), MAX_HOP_HEAD_LEN).await?;
        write_frame(io, outcome.envelope(), MAX_ENVELOPE_LEN).await?;
        io.flush().await
    }
}

fn sent_on() -> io::Error {
    io::Error::other("what came in is never sent on as it is")
}

async fn write_frame(
    io: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    most: usize,
) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= most);
    let len = len.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, HopError::TooLong { len: bytes.len() })
    })?;
    io.write_all(&len.to_be_bytes()).await?;
    io.write_all(bytes).await
}
