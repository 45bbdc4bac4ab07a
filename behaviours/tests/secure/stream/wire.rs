//! A multiplexer that counts the substreams of a node, and breaks session streams.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p_core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p_core::transport::MemoryTransport;
use libp2p_core::upgrade::Version;
use libp2p_core::{PeerId, Transport as _};
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm};

use crate::common::PATIENCE;

const NAME: &[u8] = b"/peer/1.1.0/session";

/// What happens on the connections of a node.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Substreams that the node opened.
    opened: AtomicUsize,
    /// Session streams among them.
    sessions: AtomicUsize,
    /// After how many more bytes, written or read, the node's session streams break; each once.
    breaks: Mutex<Vec<usize>>,
}

impl Wire {
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    pub(crate) fn break_after(&self, bytes: Vec<usize>) {
        *self.breaks.lock().unwrap() = bytes;
    }

    pub(crate) fn breaks_left(&self) -> usize {
        self.breaks.lock().unwrap().len()
    }
}

/// A swarm whose substreams are watched.
pub(crate) fn wired<B: NetworkBehaviour>(
    keypair: &Keypair,
    version: Version,
    behaviour: B,
) -> (Swarm<B>, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let watched = Arc::clone(&wire);
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p_plaintext::Config::new(keypair))
        .multiplex(libp2p_yamux::Config::default())
        .map(move |(peer, inner), _| {
            let muxer = Muxer { inner: StreamMuxerBox::new(inner), wire: Arc::clone(&watched) };
            (peer, StreamMuxerBox::new(muxer))
        })
        .boxed();
    let config = libp2p_swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(version)
        .with_idle_connection_timeout(PATIENCE);
    let peer: PeerId = keypair.public().to_peer_id();
    (Swarm::new(transport, behaviour, peer, config), wire)
}

struct Muxer {
    inner: StreamMuxerBox,
    wire: Arc<Wire>,
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        let wire = Arc::clone(&self.wire);
        let own = false;
        let inner = Pin::new(&mut self.inner).poll_inbound(cx);
        inner.map_ok(|inner| Substream::new(Box::new(inner), wire, own))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Substream>> {
        let wire = Arc::clone(&self.wire);
        let inner = Pin::new(&mut self.inner).poll_outbound(cx);
        inner.map_ok(|inner| {
            wire.opened.fetch_add(1, Ordering::SeqCst);
            Substream::new(Box::new(inner), wire, true)
        })
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Substream {
    inner: Box<dyn Io>,
    wire: Arc<Wire>,
    own: bool,
    /// The first bytes that were written.
    beginning: Vec<u8>,
    is_session: bool,
    moved: usize,
    broken: bool,
}

impl Substream {
    fn new(inner: Box<dyn Io>, wire: Arc<Wire>, own: bool) -> Self {
        let (beginning, is_session, moved, broken) = (Vec::new(), false, 0, false);
        Self { inner, wire, own, beginning, is_session, moved, broken }
    }

    fn look(&mut self, written: &[u8]) {
        if self.own && !self.is_session && self.beginning.len() < 256 {
            self.beginning.extend_from_slice(written);
            self.is_session = self.beginning.windows(NAME.len()).any(|piece| piece == NAME);
            if self.is_session {
                self.wire.sessions.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn count(&mut self, bytes: usize) {
        if self.is_session {
            self.moved += bytes;
            let mut breaks = self.wire.breaks.lock().unwrap();
            if breaks.last().is_some_and(|limit| self.moved >= *limit) {
                breaks.pop();
                self.broken = true;
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Substream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if let Poll::Ready(Ok(len)) = read {
            self.count(len);
        }
        read
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            self.look(&bytes[..len]);
            self.count(len);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
