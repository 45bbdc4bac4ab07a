//! Swarms of peers that do nothing but stay connected.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, BucketInserts};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder};
use libp2p::{identify, noise, ping, tcp, yamux};
use peer_behaviours::SystemClock;
use peer_behaviours::boxed::Boxed;
use peer_behaviours::secure::{self, GateConfig};
use peer_protocol::crypto::{Ed25519Authenticator, HotKeys, PublicKey};
use peer_protocol::handshake::Config;
use peer_protocol::identity::{Admission, EntityId, Identity, TrustError, TrustLevel, TrustView};
use peer_protocol::link::LinkConfig;
use peer_protocol::rate_limit::{Quota, RateProfile};
use peer_protocol::time::Timestamp;

use crate::Failure;
use crate::asking::{Asking, answer, asking};

/// Strangers' requests are limited, which is not what is measured either.
#[derive(Debug)]
struct AllPinned;

impl TrustView for AllPinned {
    fn judge(&self, _: &EntityId, _: &PublicKey) -> Result<(), TrustError> {
        Ok(())
    }

    fn admit(&self, _: &EntityId, _: &PublicKey, _: Timestamp) -> Result<Admission, TrustError> {
        Ok(Admission::Unrecorded)
    }

    fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
        Some(TrustLevel::Pinned)
    }
}

/// Nobody is refused for a rate, which is not what is measured.
const FREE: Quota = Quota { per_minute: 1_000_000_000, burst: 100_000_000 };

/// What peers of one kind speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// This protocol, with identify, ping and Kademlia: a session, and a session stream where one is used.
    Ours,
    /// Request–response of libp2p, with identify, ping and Kademlia: one request was answered.
    Like,
    /// Request–response alone: one request was answered.
    Bare,
}

/// All that any of them speaks; what is off is not offered.
#[derive(NetworkBehaviour)]
pub(crate) struct Peer {
    pub(crate) secure: Toggle<secure::Behaviour>,
    pub(crate) asking: Toggle<Asking>,
    identify: Toggle<identify::Behaviour>,
    ping: Toggle<ping::Behaviour>,
    kad: Toggle<kad::Behaviour<MemoryStore>>,
}

/// A raw server, which is nothing but what it speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Like {
    asking: Asking,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

/// The key of peer number `number`.
pub(crate) fn key(number: u32) -> Result<([u8; 32], Keypair), Failure> {
    let mut seed = [0x5a; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Ok((seed, Keypair::ed25519_from_bytes(seed)?))
}

fn identify(key: &Keypair) -> identify::Behaviour {
    identify::Behaviour::new(
        identify::Config::new("memory/1".to_owned(), key.public()).with_cache_size(0),
    )
}

/// As often as a node does.
fn ping() -> ping::Behaviour {
    ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10)))
}

fn kad(own: PeerId, server: bool) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(StreamProtocol::new("/peer/kad/1.0.0"));
    // Whoever has a peer in its table looks for more, and an idle peer would call all whom its server knows.
    config.set_periodic_bootstrap_interval(None).set_kbucket_inserts(BucketInserts::Manual);
    let mut kad = kad::Behaviour::with_config(own, MemoryStore::new(own), config);
    kad.set_mode(Some(if server { kad::Mode::Server } else { kad::Mode::Client }));
    kad
}

/// Who peer number `number` is.
pub(crate) fn identity(number: u32) -> Result<Identity, Failure> {
    let (seed, _) = key(number)?;
    let key = Arc::new(Ed25519Authenticator::from_seed(&seed));
    Ok(Identity::new(Some(format!("idle{number}").parse()?), key)?)
}

fn secured(identity: Identity, hot_keys: HotKeys) -> Result<secure::Behaviour, Failure> {
    let rate = RateProfile {
        handshake: FREE,
        heartbeat: FREE,
        task: FREE,
        discovery: FREE,
        chunk: FREE,
        mailbox: FREE,
    };
    let handshake = Config { hot_keys, ..Config::new(identity) };
    let config = LinkConfig { rate, trusted_rate: rate, ..LinkConfig::new(handshake) };
    let gate = GateConfig {
        peer: FREE,
        prefix: FREE,
        node: FREE,
        pace: FREE,
        routed: FREE,
        routed_node: FREE,
    };
    let clock = Arc::new(SystemClock::new());
    Ok(secure::Behaviour::new(config, gate, Arc::new(AllPinned), clock).with_max_peers(16_384))
}

fn swarm<B: NetworkBehaviour>(key: Keypair, behaviour: B) -> Result<Swarm<B>, Failure> {
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|_| behaviour)?
        .with_swarm_config(|config| {
            config
                .with_substream_upgrade_protocol_override(Version::V1Lazy)
                .with_idle_connection_timeout(Duration::from_secs(24 * 3600))
        })
        .build())
}

/// A peer, with a number that its key and name follow from.
pub(crate) fn peer(
    kind: Kind,
    number: u32,
    server: bool,
    hot_keys: HotKeys,
) -> Result<Swarm<Boxed<Peer>>, Failure> {
    let (_, key) = key(number)?;
    let own = key.public().to_peer_id();
    let (ours, full) = (kind == Kind::Ours, kind != Kind::Bare);
    let behaviour = Peer {
        secure: if ours { Some(secured(identity(number)?, hot_keys)?) } else { None }.into(),
        asking: (!ours).then(asking).into(),
        identify: full.then(|| identify(&key)).into(),
        ping: full.then(ping).into(),
        kad: full.then(|| kad(own, server)).into(),
    };
    // As a node does.
    swarm(key, Boxed::new(behaviour))
}

/// A raw server of a kind; runs until it is killed.
pub(crate) async fn serve_raw(kind: Kind) -> Result<(), Failure> {
    let (_, key) = key(u32::MAX)?;
    let own = key.public().to_peer_id();
    if kind == Kind::Bare {
        let mut swarm = swarm(key, asking())?;
        listen(&mut swarm, Multiaddr::empty()).await?;
        loop {
            if let SwarmEvent::Behaviour(event) = swarm.select_next_some().await {
                answer(swarm.behaviour_mut(), event);
            }
        }
    }
    let (identify, ping, kad) = (identify(&key), ping(), kad(own, true));
    let mut swarm = swarm(key, Like { asking: asking(), identify, ping, kad })?;
    listen(&mut swarm, Multiaddr::empty()).await?;
    loop {
        if let SwarmEvent::Behaviour(LikeEvent::Asking(event)) = swarm.select_next_some().await {
            answer(&mut swarm.behaviour_mut().asking, event);
        }
    }
}

/// This protocol's own server, without the rest of a node; runs until it is killed.
pub(crate) async fn serve_ours() -> Result<(), Failure> {
    let mut swarm = peer(Kind::Ours, u32::MAX, true, HotKeys::default())?;
    listen(&mut swarm, Multiaddr::empty()).await?;
    loop {
        // Links acknowledge by themselves.
        swarm.select_next_some().await;
    }
}

/// Listens on loopback, below `/ip4/127.x.y.1` if `at` says where, and prints where.
pub(crate) async fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    at: Multiaddr,
) -> Result<(), Failure> {
    let any: Multiaddr = Multiaddr::empty().with(Protocol::Ip4([127, 0, 0, 1].into()));
    let at = if at.is_empty() { any.with(Protocol::Tcp(0)) } else { at };
    swarm.listen_on(at)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            println!("{}", address.with(Protocol::P2p(*swarm.local_peer_id())));
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than Kademlia waits before it looks for more peers.
    const WAIT: Duration = Duration::from_millis(1_500);

    #[tokio::test]
    async fn an_idle_peer_is_connected_with_its_server_alone() {
        let new = |number, server| peer(Kind::Ours, number, server, HotKeys::default()).unwrap();
        let [mut server, mut other] = [u32::MAX, u32::MAX - 1].map(|number| new(number, true));
        let mut idle = new(0, false);
        for swarm in [&mut server, &mut other] {
            listen(swarm, Multiaddr::empty()).await.unwrap();
        }
        let [at, elsewhere] = [&server, &other].map(|it| it.listeners().next().unwrap().clone());
        let known = server.behaviour_mut().kad.as_mut().unwrap();
        known.add_address(other.local_peer_id(), elsewhere);
        idle.dial(at).unwrap();
        let end = tokio::time::sleep(WAIT);
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = server.select_next_some() => {}
                _ = other.select_next_some() => {}
                _ = idle.select_next_some() => {}
            }
        }
        let connected: Vec<_> = idle.connected_peers().collect();
        assert_eq!(connected, [server.local_peer_id()]);
    }
}
