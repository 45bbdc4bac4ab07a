//! Reading from streams within a budget, so that nobody who sends half of many large envelopes fills
//! this node's memory (`docs/PROTOCOL.md` §14.1).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _};
use peer_protocol::spare;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::conduct::Conduct;

/// Bytes of something oversized that are read and thrown away, so that its sender gets to read why
/// it is refused.
const MAX_DISCARDED: u64 = 4 << 20;
/// Bytes that are read without asking the budget: handshakes, and most messages.
const FREE: usize = 4 << 10;
/// The budget for what peers with a session send on their streams, of the node and of one peer.
const NODE_BUDGET: usize = 64 << 20;
const PEER_BUDGET: usize = 2 << 20;
/// The budgets for what anybody may send, of the node; one connection gets half. For requests, for packets
/// over hops, and for version 1.0.
const REQUESTS_BUDGET: usize = 4 << 20;
const HOPS_BUDGET: usize = 3 << 20;
const LEGACY_BUDGET: usize = 1 << 20;
/// What one permit stands for.
const UNIT: usize = 1 << 10;

/// What a codec may hold of what it is reading.
///
/// It counts towards a budget of the node and one of the connection. An envelope gets all it needs
/// at once: what was begun can always be finished. If there is no room, one on a session stream waits. A request
/// is given up: what comes on a stream that nobody reads lies in memory too, and there may be many.
#[derive(Debug)]
pub(crate) struct Budget {
    node: Arc<Semaphore>,
    /// Bytes for each connection.
    share: usize,
    /// The behaviour's own codec has none.
    connection: Option<Arc<Semaphore>>,
    waits: bool,
    /// Of one connection, as its share is.
    conduct: Arc<Conduct>,
}

impl Default for Budget {
    /// The one of session streams.
    fn default() -> Self {
        let node = Arc::new(Semaphore::new(NODE_BUDGET / UNIT));
        let conduct = Arc::default();
        Self { node, share: PEER_BUDGET, connection: None, waits: true, conduct }
    }
}

/// Request–response clones the behaviour's codec once for each connection, and that one for each
/// stream: the first kind gets a budget, the second shares it.
impl Clone for Budget {
    fn clone(&self) -> Self {
        let own = || Arc::new(Semaphore::new(self.share / UNIT));
        let (connection, conduct) = match &self.connection {
            Some(connection) => (Arc::clone(connection), Arc::clone(&self.conduct)),
            None => (own(), Arc::default()),
        };
        let (node, connection) = (Arc::clone(&self.node), Some(connection));
        Self { node, share: self.share, connection, waits: self.waits, conduct }
    }
}

impl Budget {
    /// The one of requests: strangers cannot spend what session streams need.
    pub(crate) fn requests() -> Self {
        Self::of_strangers(REQUESTS_BUDGET)
    }

    /// The one of packets over hops.
    pub(crate) fn hops() -> Self {
        Self::of_strangers(HOPS_BUDGET)
    }

    /// The one of version 1.0.
    pub(crate) fn legacy() -> Self {
        Self::of_strangers(LEGACY_BUDGET)
    }

    fn of_strangers(bytes: usize) -> Self {
        let node = Arc::new(Semaphore::new(bytes / UNIT));
        let conduct = Arc::default();
        Self { node, share: bytes / 2, connection: None, waits: false, conduct }
    }

    /// Notes that more is announced than is taken.
    ///
    /// # Errors
    /// [`Insistent`](crate::conduct::Insistent) if that has happened too often on the connection.
    pub(crate) fn too_long(&self) -> io::Result<()> {
        self.conduct.too_long()
    }

    /// Reads something oversized and throws it away, as far as that is worth it.
    ///
    /// # Errors
    /// As [`Budget::too_long`]; else those of `io`.
    pub(crate) async fn discard(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        len: usize,
    ) -> io::Result<()> {
        self.too_long()?;
        let mut rest = io.take(MAX_DISCARDED.min(len as u64));
        futures::io::copy(&mut rest, &mut futures::io::sink()).await?;
        Ok(())
    }

    /// Asks for `len` more bytes that may be held.
    async fn reserve(&self, len: usize) -> io::Result<[Option<SemaphorePermit<'_>>; 2]> {
        let units = u32::try_from(len.div_ceil(UNIT)).map_err(io::Error::other)?;
        if !self.waits {
            let take = |budget| Semaphore::try_acquire_many(budget, units);
            let connection = self.connection.as_deref().map(take).transpose();
            let connection = connection.map_err(io::Error::other)?;
            return Ok([connection, Some(take(&self.node).map_err(io::Error::other)?)]);
        }
        let connection = match &self.connection {
            Some(budget) => Some(budget.acquire_many(units).await.map_err(io::Error::other)?),
            None => None,
        };
        let node = self.node.acquire_many(units).await.map_err(io::Error::other)?;
        Ok([connection, Some(node)])
    }

    /// Reads `len` bytes, which the caller has bounded. Beyond the first few, memory is taken only
    /// once these have come.
    pub(crate) async fn read_bytes(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        len: usize,
    ) -> io::Result<Vec<u8>> {
        self.read_on(io, Vec::with_capacity(len.min(FREE)), len, None).await
    }

    /// As [`Budget::read_bytes`], where some of the bytes are here already. The budget is held for
    /// `patience` at most; without one the caller has its own.
    pub(crate) async fn read_on(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        mut bytes: Vec<u8>,
        len: usize,
        patience: Option<Duration>,
    ) -> io::Result<Vec<u8>> {
        let first = len.min(FREE).max(bytes.len());
        let have = bytes.len();
        bytes.resize(first, 0);
        read_from(io, &mut bytes, have).await?;
        if first < len {
            let _reserved = self.reserve(len - first).await?;
            // All of it at once, instead of growing piece by piece.
            let mut all = spare::filled(len);
            if let Some(beginning) = all.get_mut(..first) {
                beginning.copy_from_slice(&bytes);
            }
            let rest = read_from(io, &mut all, first);
            match patience {
                Some(patience) => timeout(patience, rest)
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
                None => rest.await?,
            }
            bytes = all;
        }
        Ok(bytes)
    }
}

/// Fills `bytes` from `start` on.
async fn read_from(
    io: &mut (impl AsyncRead + Unpin),
    bytes: &mut [u8],
    start: usize,
) -> io::Result<()> {
    let read = io.read_exact(bytes.get_mut(start..).unwrap_or_default()).await;
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "the stream ended within a frame")
        }
        _ => error,
    })
}

/// Reads the length of a frame.
pub(crate) async fn read_len(io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    Ok(u32::from_be_bytes(len) as usize)
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll};

    use futures::FutureExt as _;
    use peer_protocol::limits::MAX_ENVELOPE_LEN;

    use super::*;
    use crate::conduct::Insistent;

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

    fn available(budget: &Budget) -> usize {
        budget.node.available_permits() * UNIT
    }

    #[test]
    fn an_envelope_of_any_length_is_read_and_its_budget_given_back() {
        let behaviour = Budget::default();
        let budget = behaviour.clone();
        for len in [0, 1, FREE - 1, FREE, FREE + 1, MAX_ENVELOPE_LEN] {
            let sent = vec![7; len];
            let read = budget.read_bytes(&mut sent.as_slice(), len).now_or_never().unwrap();
            assert_eq!(read.unwrap(), sent);
            let cut = budget.read_bytes(&mut sent.as_slice(), len + 1).now_or_never().unwrap();
            assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(available(&behaviour), NODE_BUDGET);
    }

    #[test]
    fn a_connection_that_sends_halves_takes_its_own_share_only() {
        let behaviour = Budget::default();
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
        assert!(available(&behaviour) >= NODE_BUDGET - PEER_BUDGET);
        let sent = vec![7; MAX_ENVELOPE_LEN];
        let read = honest.read_bytes(&mut sent.as_slice(), sent.len()).now_or_never();
        assert!(read.unwrap().is_ok());
        drop(reads);
        assert_eq!(available(&behaviour), NODE_BUDGET);
    }

    #[test]
    fn a_request_without_room_is_given_up_and_leaves_what_session_streams_need() {
        let (requests, sessions) = (Budget::requests(), Budget::default());
        let stalled = |stream: Budget| async move {
            stream.read_bytes(&mut Stalling(FREE), MAX_ENVELOPE_LEN).await
        };
        let mut reads: Vec<_> = (0..100).map(|_| stalled(requests.clone()).boxed()).collect();
        let ended = reads.iter_mut().filter_map(|read| read.now_or_never());
        assert_eq!(ended.filter(Result::is_err).count(), 100 - REQUESTS_BUDGET / MAX_ENVELOPE_LEN);
        let whole = vec![7; MAX_ENVELOPE_LEN];
        let read = sessions.read_bytes(&mut whole.as_slice(), whole.len()).now_or_never();
        assert!(read.is_some_and(|read| read.is_ok()));
        drop(reads);
        let read = requests.clone().read_bytes(&mut whole.as_slice(), whole.len()).now_or_never();
        assert!(read.is_some_and(|read| read.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_announces_too_much_again_and_again_is_told_from_others() {
        let behaviour = Budget::requests();
        let (insistent, other) = (behaviour.clone(), behaviour.clone());
        for _ in 0..10 {
            let stream = insistent.clone();
            assert!(stream.discard(&mut [7; 100].as_slice(), MAX_ENVELOPE_LEN + 1).await.is_ok());
        }
        let error = insistent.clone().discard(&mut [].as_slice(), 1).await.unwrap_err();
        assert!(Insistent::is(&error), "{error}");
        assert!(!Insistent::is(&io::ErrorKind::UnexpectedEof.into()));
        assert!(other.too_long().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(insistent.too_long().is_ok());
    }

    #[test]
    fn all_connections_together_take_no_more_than_the_node_has() {
        let behaviour = Budget::default();
        let read = |stream: Budget| async move {
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
