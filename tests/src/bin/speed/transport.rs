//! Swarms that differ in their behaviour only.

use std::time::Duration;

use clap::ValueEnum;
use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};

use crate::Failure;

/// The transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Link {
    /// TCP, Noise, Yamux.
    Tcp,
    /// QUIC.
    Quic,
}

impl Link {
    fn address(self) -> Multiaddr {
        let address = Multiaddr::empty().with(Protocol::Ip4([127, 0, 0, 1].into()));
        match self {
            Self::Tcp => address.with(Protocol::Tcp(0)),
            Self::Quic => address.with(Protocol::Udp(0)).with(Protocol::QuicV1),
        }
    }
}

/// A swarm whose substreams are negotiated as `version` says.
pub(crate) fn swarm<B: NetworkBehaviour>(
    key: Keypair,
    link: Link,
    version: Version,
    behaviour: B,
) -> Result<Swarm<B>, Failure> {
    let adjust = |config: libp2p::swarm::Config| {
        config
            .with_substream_upgrade_protocol_override(version)
            .with_idle_connection_timeout(Duration::from_secs(3600))
    };
    let builder = SwarmBuilder::with_existing_identity(key).with_tokio();
    Ok(match link {
        Link::Tcp => builder
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )?
            .with_behaviour(|_| behaviour)?
            .with_swarm_config(adjust)
            .build(),
        Link::Quic => {
            builder.with_quic().with_behaviour(|_| behaviour)?.with_swarm_config(adjust).build()
        }
    })
}

/// Listens on loopback, and prints where.
pub(crate) async fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    link: Link,
) -> Result<(), Failure> {
    swarm.listen_on(link.address())?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            println!("{}", address.with(Protocol::P2p(*swarm.local_peer_id())));
            return Ok(());
        }
    }
}

/// Connects to the other side.
pub(crate) async fn connect<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    address: Multiaddr,
) -> Result<PeerId, Failure> {
    swarm.dial(address)?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => return Ok(peer_id),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
}
