//! How connections are made: TCP, WebSocket and QUIC over IP addresses and names, and circuits over
//! relays; all but QUIC with Noise and Yamux. In a private network whatever runs over TCP is wrapped
//! in the network's key first, and QUIC, which the key cannot protect, is left out.

use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::dns::{ResolverConfig, ResolverOpts};
use libp2p::identity::Keypair;
use libp2p::pnet::{PnetConfig, PnetError, PreSharedKey};
use libp2p::{PeerId, Transport, dns, noise, quic, relay, tcp, websocket};

use peer_behaviours::limits::Admitted;

use super::drained::{Drained, Stranger};
use super::multiplex;
use super::prompt::Prompt;
use crate::config::PrivateNetwork;

/// Time for a dial, and for the handshakes of the transport.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What may be open, and on its way, on each connection over QUIC; libp2p would have 15 MB there. What
/// comes from strangers is moved from these windows to the store as it comes.
const QUIC_STREAMS: u32 = 128;
const QUIC_STREAM_WINDOW: u32 = 512 << 10;
const QUIC_WINDOW: u32 = 1 << 20;

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// The transport of a node, and the relay client that belongs to it.
///
/// # Errors
/// The key cannot be used.
pub(super) fn build(
    keypair: &Keypair,
    network: Option<&PrivateNetwork>,
    admitted: &Arc<Admitted>,
) -> Result<(Connections, relay::client::Behaviour), noise::Error> {
    let noise = noise::Config::new(keypair)?;
    let store = Arc::new(multiplex::Store::default());
    let multiplex = multiplex::Config::new(Arc::clone(&store));
    let key = network.map(|network| network.key());
    let (circuits, relay_client) = relay::client::new(keypair.public().to_peer_id());
    let websocket = websocket::Config::new(resolved(plain));
    // Names are resolved outermost: that transport takes every address for its own.
    let addressed = resolved(|| {
        let tcp = secured(protected(plain(), key), &noise, &multiplex);
        if network.is_some() { tcp } else { either(tcp, quic(keypair, &store, admitted)) }
    });
    let connections = either(
        secured(circuits, &noise, &multiplex),
        either(secured(protected(websocket, key), &noise, &multiplex), addressed.boxed()),
    );
    Ok((TransportTimeout::new(connections, TIMEOUT).boxed(), relay_client))
}

fn plain() -> tcp::tokio::Transport {
    tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
}

fn quic(keypair: &Keypair, store: &Arc<multiplex::Store>, admitted: &Arc<Admitted>) -> Connections {
    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_WINDOW;
    let (store, admitted) = (Arc::clone(store), Arc::clone(admitted));
    quic::tokio::Transport::new(config)
        .map(move |(peer, muxer), _| {
            let stranger = Stranger::new(peer, Arc::clone(&admitted));
            (peer, StreamMuxerBox::new(Drained::new(muxer, stranger, Arc::clone(&store))))
        })
        .boxed()
}

/// With names. On a machine that does not say how to resolve them, no name is found; addresses work.
fn resolved<T: Transport>(inner: impl Fn() -> T) -> dns::tokio::Transport<T> {
    dns::tokio::Transport::system(inner()).unwrap_or_else(|error| {
        tracing::warn!(%error, "names cannot be resolved: only IP addresses can be dialled");
        let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        dns::tokio::Transport::custom(inner(), nobody, ResolverOpts::default())
    })
}

/// Within a private network, if there is one.
fn protected<T>(
    transport: T,
    key: Option<PreSharedKey>,
) -> impl Transport<
    Output = impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    Error = impl Send + Sync + 'static,
    Dial = impl Send + 'static,
    ListenerUpgrade = impl Send + 'static,
> + Send
+ Unpin
+ 'static
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    transport.and_then(move |socket, _| async move {
        Ok::<_, PnetError>(match key {
            Some(key) => Either::Left(PnetConfig::new(key).handshake(socket).await?),
            None => Either::Right(socket),
        })
    })
}

fn secured<T>(transport: T, noise: &noise::Config, multiplex: &multiplex::Config) -> Connections
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let wires = multiplex.clone();
    transport
        .map(move |socket, _| wires.wire(socket))
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(multiplex.clone())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(Prompt::new(muxer))))
        .boxed()
}

fn either(first: Connections, second: Connections) -> Connections {
    OrTransport::new(first, second).map(|either, _| either.into_inner()).boxed()
}
