//! How an envelope lies on a stream: its length as 32-bit big-endian, then its bytes
//! (`docs/PROTOCOL.md` §14.1). Incoming ones are decoded here, in the connection's own task.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p_swarm::StreamProtocol;
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::limits::MAX_ENVELOPE_LEN;

use crate::budget::{Budget, read_len};

/// What travels as a request.
#[derive(Debug)]
pub enum Request {
    /// On its way out: the bytes of an envelope.
    Outgoing(Vec<u8>),
    /// Came in: an envelope, or why it is none.
    Incoming(Result<Envelope, EnvelopeError>),
}

/// The codec of `/peer/1.1.0`. What it reads counts towards a [`Budget`].
#[derive(Debug, Clone)]
pub struct Codec {
    budget: Budget,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self { budget: Budget::requests() }
    }
}

impl libp2p_request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let len = read_len(io).await?;
        if len > MAX_ENVELOPE_LEN {
            self.budget.discard(io, len).await?;
            return Ok(Request::Incoming(Err(EnvelopeError::TooLong { len })));
        }
        let bytes = self.budget.read_bytes(io, len).await?;
        Ok(Request::Incoming(Envelope::decode(bytes)))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let len = read_len(io).await?;
        if len > MAX_ENVELOPE_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, EnvelopeError::TooLong { len }));
        }
        self.budget.read_bytes(io, len).await
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
        match request {
            Request::Outgoing(bytes) => write_frame(io, &bytes).await,
            Request::Incoming(_) => Err(io::Error::other("an incoming request is never sent on")),
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response).await
    }
}

async fn write_frame(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|len| *len as usize <= MAX_ENVELOPE_LEN);
    let Some(len) = len else {
        let error = EnvelopeError::TooLong { len: bytes.len() };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
    };
    io.write_all(&len.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}
