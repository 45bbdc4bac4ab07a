//! Building the swarm: its transport, its behaviours, their limits.

mod drained;
mod multiplex;
mod pace;
mod parts;
mod prompt;
mod transport;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::upgrade::Version;
use libp2p::swarm::{self, Swarm};
use libp2p::{PeerId, autonat, dcutr, identify, identity, mdns, ping, upnp};
use peer_behaviours::boxed::Boxed;
use peer_behaviours::reachability::guard::Guard;
use peer_behaviours::reachability::probe;
use peer_behaviours::secure::Resumes;
use peer_behaviours::{Clock, legacy, limits as prefix_limits, registry, routing, secure};
use peer_protocol::link::LinkConfig;

use crate::behaviour::Behaviour;
use crate::config::NodeConfig;
use crate::error::StartError;
use crate::event_loop::LegacyAdmission;
use crate::gateway;
use crate::room::Room;
use crate::trust::SharedTrust;

/// A connection without a session, a stream or another reason to stay is closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_PENDING: u32 = 128;
const MAX_PER_PEER: u32 = 8;
/// Streams of one connection at once whose protocol is not known yet.
const MAX_NEGOTIATING: usize = 4;
/// Most dials at once on behalf of others: tests of their addresses, and hole punching.
const MAX_TESTS: usize = 8;
const MAX_PUNCHES: usize = 16;

/// Peers with a link at once, where few connections are allowed.
const LEAST_LINKS: usize = 4096;

/// What behaviours share with the rest of the node.
pub(crate) struct Shared {
    pub(crate) room: Arc<Room>,
    pub(crate) trust: Arc<SharedTrust>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Resumes>,
    pub(crate) gateway: Arc<gateway::Shared>,
}

/// A swarm that listens nowhere yet.
pub(crate) fn build(
    config: &NodeConfig,
    seed: &[u8; 32],
    link: LinkConfig,
    shared: Shared,
    registry: Option<registry::Config>,
) -> Result<Swarm<Boxed<Behaviour>>, StartError> {
    let Shared { room, trust, clock, disk, gateway } = shared;
    let failed = |reason: String| StartError::Transport { reason };
    let keypair =
        identity::Keypair::ed25519_from_bytes(*seed).map_err(|error| failed(error.to_string()))?;
    let own = keypair.public().to_peer_id();
    let prefix_limits = prefix_limits::Behaviour::new(prefix_limits::Config {
        strangers: strangers(config.max_connections()),
        ..prefix_limits::Config::default()
    });
    let (connections, relay_client) =
        transport::build(&keypair, config.private_network(), &prefix_limits.admitted())
            .map_err(|error| failed(error.to_string()))?;
    let legacy = config.legacy().then(|| {
        let config = legacy_config(config, &link, &room, &gateway);
        legacy::Behaviour::new(config, Arc::clone(&trust) as _, Arc::clone(&clock))
    });
    // What a node on loopback would find with these is not reachable there.
    let beyond = config.listens_beyond_loopback();
    let hops = peer_protocol::routing::Config {
        carry: config.carry(),
        ..peer_protocol::routing::Config::default()
    };
    let own_key = *link.handshake.identity.public_key();
    let behaviour = Behaviour {
        prefix_limits,
        limits: connection_limits::Behaviour::new(limits(config.max_connections())),
        autonat_server: Guard::new(
            autonat::v2::server::Behaviour::default(),
            parts::testable,
            MAX_TESTS,
        ),
        dcutr: Guard::new(
            dcutr::Behaviour::new(own),
            if beyond { parts::punchable } else { parts::punchable_here },
            MAX_PUNCHES,
        ),
        routing: routing::Behaviour::new(own_key, hops, Arc::clone(&clock)),
        secure: secure::Behaviour::new(link, secure::GateConfig::default(), trust, clock)
            .with_max_peers(links(config.max_connections()))
            .with_low_latency(config.low_latency())
            .with_disk(disk),
        legacy: legacy.into(),
        registry: registry.map(|config| registry::Behaviour::new(own, config)).into(),
        identify: identify::Behaviour::new(parts::identify(&keypair)),
        ping: ping::Behaviour::new(parts::ping()),
        probe: probe::Behaviour::new(),
        relay_client,
        relay_server: config.relay_server().then(|| parts::relay_server(own)).into(),
        upnp: (config.upnp() && beyond).then(upnp::tokio::Behaviour::default).into(),
        mdns: (config.mdns() && beyond).then(|| multicast(own)).flatten().into(),
    };
    let swarm = swarm::Config::with_tokio_executor()
        // Each of our substreams offers one protocol, so the dialer need not wait for a confirmation:
        // a request takes one round trip instead of two.
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        .with_notify_handler_buffer_size(NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN));
    Ok(Swarm::new(connections, Boxed::new(behaviour), own, swarm))
}

/// A machine that cannot say which networks it is on is still reached by its addresses.
fn multicast(own: PeerId) -> Option<mdns::tokio::Behaviour> {
    mdns::tokio::Behaviour::new(parts::mdns(), own)
        .inspect_err(|error| tracing::warn!(%error, "no peers are looked for by multicast DNS"))
        .ok()
}

/// Version 1.0 under the same identity, rates and bounds.
fn legacy_config(
    config: &NodeConfig,
    link: &LinkConfig,
    room: &Arc<Room>,
    gateway: &gateway::Shared,
) -> legacy::Config {
    legacy::Config {
        rate: link.rate,
        limit_hits: Arc::clone(&link.limit_hits),
        trusted_rate: link.trusted_rate,
        require_encryption: config.require_encryption(),
        admission: Arc::new(LegacyAdmission {
            room: Arc::clone(room),
            places: Arc::clone(&gateway.places),
            leave: Arc::clone(&gateway.leave),
        }),
        others: gateway.leave.listed().clone(),
        terms: gateway::terms(config.gateway()),
        courier: gateway::courier(config.gateway(), &gateway.counts),
        ..legacy::Config::new(link.handshake.identity.clone())
    }
}

/// Most peers with a link: all that are connected, and those that were or are reached over hops.
fn links(connections: u32) -> usize {
    usize::try_from(connections).unwrap_or(usize::MAX).saturating_mul(2).max(LEAST_LINKS)
}

/// Places for peers without a session. Each costs some 50 KiB, most of it Noise's and Yamux's buffers.
fn strangers(connections: u32) -> usize {
    usize::try_from(connections.div_ceil(12)).unwrap_or(usize::MAX)
}

/// Inbound connections leave room for this node's own dials.
fn limits(total: u32) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING))
        .with_max_pending_outgoing(Some(MAX_PENDING))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
        .with_max_established(Some(total))
        .with_max_established_incoming(Some(total - total / 8))
}
