//! How a version 1.0 message lies on a stream: its length as 32-bit big-endian, then its JSON
//! (`docs/PROTOCOL.md` §13). An answer of length zero says that there is nothing to say. Incoming
//! requests are parsed here, in the connection's own task.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p_swarm::StreamProtocol;
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Message, MessageError, ValueError};

use crate::budget::{Budget, read_len};

/// What travels as a request.
#[derive(Debug)]
pub enum Request {
    /// On its way out: the bytes of a message.
    Outgoing(Vec<u8>),
    /// Came in: a message, or why it is none.
    Incoming(Result<Box<Message>, MessageError>),
}

/// The codec of `/peer/1.0.0`. An answer is the bytes of a message, or none. What it reads counts towards
/// a [`Budget`] of its own.
#[derive(Debug, Clone)]
pub struct Codec {
    budget: Budget,
}

impl Default for Codec {
    fn default() -> Self {
        Self { budget: Budget::legacy() }
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
        if len > MAX_MESSAGE_LEN {
            self.budget.discard(io, len).await?;
            return Ok(Request::Incoming(Err(too_long(len).into())));
        }
        let bytes = self.budget.read_bytes(io, len).await?;
        Ok(Request::Incoming(Message::parse(&bytes).map(Box::new)))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let len = read_len(io).await?;
        if len > MAX_MESSAGE_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, too_long(len)));
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

const fn too_long(len: usize) -> ValueError {
    ValueError::TooLong { len, max: MAX_MESSAGE_LEN }
}

async fn write_frame(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|len| *len as usize <= MAX_MESSAGE_LEN);
    let Some(len) = len else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, too_long(bytes.len())));
    };
    io.write_all(&len.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}
