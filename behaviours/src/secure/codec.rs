//! How an envelope lies on a stream: its length as 32-bit big-endian, then its bytes
//! (`docs/PROTOCOL.md` §14.1). Incoming ones are decoded here, in the connection's own task.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p_swarm::StreamProtocol;
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::limits::MAX_ENVELOPE_LEN;

/// Bytes of an oversized request that are read and thrown away, so that its sender gets to read why
/// it is refused.
const MAX_DISCARDED: u64 = 4 << 20;

/// What travels as a request.
#[derive(Debug)]
pub enum Request {
    /// On its way out: the bytes of an envelope.
    Outgoing(Vec<u8>),
    /// Came in: an envelope, or why it is none.
    Incoming(Result<Envelope, EnvelopeError>),
}

/// The codec of `/peer/1.1.0`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Codec;

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
            let mut rest = io.take(MAX_DISCARDED.min(len as u64));
            futures::io::copy(&mut rest, &mut futures::io::sink()).await?;
            return Ok(Request::Incoming(Err(EnvelopeError::TooLong { len })));
        }
        let bytes = read_bytes(io, len).await?;
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
        read_bytes(io, len).await
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

async fn read_len(io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    Ok(u32::from_be_bytes(len) as usize)
}

/// Reads `len` bytes, at most [`MAX_ENVELOPE_LEN`]. Memory grows with what really arrives.
async fn read_bytes(io: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len.min(64 << 10));
    io.take(len as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < len {
        let detail = format!("the frame announced {len} bytes, but {} came", bytes.len());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, detail));
    }
    Ok(bytes)
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
