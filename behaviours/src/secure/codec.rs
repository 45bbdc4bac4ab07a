//! How an envelope lies on a stream: its length as 32-bit big-endian, then its bytes
//! (`docs/PROTOCOL.md` §14.1). Incoming ones are decoded here, in the connection's own task.

use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p_swarm::StreamProtocol;
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::limits::MAX_ENVELOPE_LEN;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of an oversized request that are read and thrown away, so that its sender gets to read why
/// it is refused.
const MAX_DISCARDED: u64 = 4 << 20;
/// Bytes of an envelope that are read without asking the budget.
const FREE: usize = 16 << 10;
/// The budget for what is being read, of the node and of one connection.
const NODE_BUDGET: usize = 64 << 20;
const CONNECTION_BUDGET: usize = 8 << 20;
/// What one permit stands for.
const UNIT: usize = 1 << 10;

/// What travels as a request.
#[derive(Debug)]
pub enum Request {
    /// On its way out: the bytes of an envelope.
    Outgoing(Vec<u8>),
    /// Came in: an envelope, or why it is none.
    Incoming(Result<Envelope, EnvelopeError>),
}

/// The codec of `/peer/1.1.0`.
///
/// What it reads counts towards a budget of the node and one of the connection, so that nobody who
/// sends half of many large envelopes fills this node's memory. An envelope gets all it needs at
/// once, or waits: what was begun can always be finished.
#[derive(Debug)]
pub struct Codec {
    node: Arc<Semaphore>,
    /// The behaviour's own codec has none.
    connection: Option<Arc<Semaphore>>,
}

impl Default for Codec {
    fn default() -> Self {
        Self { node: Arc::new(Semaphore::new(NODE_BUDGET / UNIT)), connection: None }
    }
}

/// Request–response clones the behaviour's codec once for each connection, and that one for each
/// stream: the first kind gets a budget, the second shares it.
impl Clone for Codec {
    fn clone(&self) -> Self {
        let own = || Arc::new(Semaphore::new(CONNECTION_BUDGET / UNIT));
        let connection = self.connection.clone().unwrap_or_else(own);
        Self { node: Arc::clone(&self.node), connection: Some(connection) }
    }
}

impl Codec {
    /// Waits until `len` more bytes may be held.
    async fn reserve(&self, len: usize) -> io::Result<[Option<SemaphorePermit<'_>>; 2]> {
        let units = u32::try_from(len.div_ceil(UNIT)).map_err(io::Error::other)?;
        let connection = match &self.connection {
            Some(budget) => Some(budget.acquire_many(units).await.map_err(io::Error::other)?),
            None => None,
        };
        let node = self.node.acquire_many(units).await.map_err(io::Error::other)?;
        Ok([connection, Some(node)])
    }

    /// Reads `len` bytes, at most [`MAX_ENVELOPE_LEN`]. Beyond the first few, memory is taken only
    /// once these have come.
    async fn read_bytes(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        len: usize,
    ) -> io::Result<Vec<u8>> {
        let first = len.min(FREE);
        let mut bytes = Vec::with_capacity(first);
        (&mut *io).take(first as u64).read_to_end(&mut bytes).await?;
        if bytes.len() == first && first < len {
            let _reserved = self.reserve(len - first).await?;
            bytes.reserve_exact(len - first);
            io.take((len - first) as u64).read_to_end(&mut bytes).await?;
        }
        if bytes.len() < len {
            let detail = format!("the frame announced {len} bytes, but {} came", bytes.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, detail));
        }
        Ok(bytes)
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
            let mut rest = io.take(MAX_DISCARDED.min(len as u64));
            futures::io::copy(&mut rest, &mut futures::io::sink()).await?;
            return Ok(Request::Incoming(Err(EnvelopeError::TooLong { len })));
        }
        let bytes = self.read_bytes(io, len).await?;
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
        self.read_bytes(io, len).await
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

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll};

    use futures::FutureExt as _;

    use super::*;

    /// Brings so many bytes, and then nothing more.
    struct Stalling(usize);

    impl AsyncRead for Stalling {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let len = buffer.len().min(self.0);
            self.0 -= len;
            if len == 0 { Poll::Pending } else { Poll::Ready(Ok(len)) }
        }
    }

    fn available(codec: &Codec) -> usize {
        codec.node.available_permits() * UNIT
    }

    #[test]
    fn an_envelope_of_any_length_is_read_and_its_budget_given_back() {
        let behaviour = Codec::default();
        let codec = behaviour.clone();
        for len in [0, 1, FREE - 1, FREE, FREE + 1, MAX_ENVELOPE_LEN] {
            let sent = vec![7; len];
            let read = codec.read_bytes(&mut sent.as_slice(), len).now_or_never().unwrap();
            assert_eq!(read.unwrap(), sent);
            let cut = codec.read_bytes(&mut sent.as_slice(), len + 1).now_or_never().unwrap();
            assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(available(&behaviour), NODE_BUDGET);
    }

    #[test]
    fn a_connection_that_sends_halves_takes_its_own_share_only() {
        let behaviour = Codec::default();
        let (greedy, honest) = (behaviour.clone(), behaviour.clone());
        let mut reads: Vec<_> = (0..64)
            .map(|_| {
                let stream = greedy.clone();
                async move { stream.read_bytes(&mut Stalling(FREE), MAX_ENVELOPE_LEN).await }
                    .boxed()
            })
            .collect();
        for read in &mut reads {
            assert!(read.now_or_never().is_none());
        }
        assert!(available(&behaviour) >= NODE_BUDGET - CONNECTION_BUDGET);
        let sent = vec![7; MAX_ENVELOPE_LEN];
        let read = honest.read_bytes(&mut sent.as_slice(), sent.len()).now_or_never();
        assert!(read.unwrap().is_ok());
        drop(reads);
        assert_eq!(available(&behaviour), NODE_BUDGET);
    }

    #[test]
    fn all_connections_together_take_no_more_than_the_node_has() {
        let behaviour = Codec::default();
        let read = |stream: Codec| async move {
            stream.read_bytes(&mut Stalling(MAX_ENVELOPE_LEN - 1), MAX_ENVELOPE_LEN).await
        };
        let mut reads: Vec<_> = (0..100).map(|_| read(behaviour.clone()).boxed()).collect();
        for read in &mut reads {
            assert!(read.now_or_never().is_none());
        }
        assert!(available(&behaviour) < MAX_ENVELOPE_LEN);
        // Small ones pass all the same, and large ones wait for their turn.
        let (small, large) = (vec![7; FREE], vec![7; MAX_ENVELOPE_LEN]);
        let stream = behaviour.clone();
        assert!(stream.read_bytes(&mut small.as_slice(), FREE).now_or_never().is_some());
        let mut bytes = large.as_slice();
        let mut waiting = pin!(stream.read_bytes(&mut bytes, MAX_ENVELOPE_LEN));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(reads);
        assert!(waiting.now_or_never().is_some());
    }
}
