//! Building the swarm: TCP with Noise and Yamux, QUIC, DNS.

use std::sync::Arc;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::upgrade::Version;
use libp2p::swarm::Swarm;
use libp2p::{SwarmBuilder, identify, identity, noise, ping, tcp, yamux};
use peer_behaviours::{Clock, legacy, limits as prefix_limits, registry, routing, secure};
use peer_protocol::link::LinkConfig;

use crate::behaviour::Behaviour;
use crate::config::NodeConfig;
use crate::error::StartError;
use crate::event_loop::LegacyAdmission;
use crate::room::Room;
use crate::trust::SharedTrust;

/// What libp2p's identify says the program is.
const AGENT: &str = concat!("peer/", env!("CARGO_PKG_VERSION"));
/// What libp2p's identify says the protocol is.
const PROTOCOL_VERSION: &str = "peer/1.1.0";
/// A connection without a session, a stream or another reason to stay is closed after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_PENDING: u32 = 128;
const MAX_PER_PEER: u32 = 8;

/// A swarm that listens nowhere yet.
pub(crate) fn build(
    config: &NodeConfig,
    seed: &[u8; 32],
    link: LinkConfig,
    room: &Arc<Room>,
    trust: Arc<SharedTrust>,
    clock: Arc<dyn Clock>,
    registry: Option<registry::Config>,
) -> Result<Swarm<Behaviour>, StartError> {
    let transport = |reason: String| StartError::Transport { reason };
    let keypair = identity::Keypair::ed25519_from_bytes(*seed)
        .map_err(|error| transport(error.to_string()))?;
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| transport(error.to_string()))?
        .with_quic()
        .with_dns()
        .map_err(|error| transport(error.to_string()))?
        .with_behaviour(|keypair| {
            let identify = identify::Config::new(PROTOCOL_VERSION.to_owned(), keypair.public())
                .with_agent_version(AGENT.to_owned())
                .with_push_listen_addr_updates(true);
            let legacy = config.legacy().then(|| {
                let config = legacy_config(config, &link, room);
                legacy::Behaviour::new(config, Arc::clone(&trust) as _, Arc::clone(&clock))
            });
            // The setting "carry" belongs here.
            let hops = peer_protocol::routing::Config {
                carry: config.carry(),
                ..peer_protocol::routing::Config::default()
            };
            let own = *link.handshake.identity.public_key();
            Behaviour {
                routing: routing::Behaviour::new(own, hops, Arc::clone(&clock)),
                prefix_limits: prefix_limits::Behaviour::new(prefix_limits::Config::default()),
                limits: connection_limits::Behaviour::new(limits(config.max_connections())),
                secure: secure::Behaviour::new(link, secure::GateConfig::default(), trust, clock),
                legacy: legacy.into(),
                registry: registry
                    .map(|config| registry::Behaviour::new(keypair.public().to_peer_id(), config))
                    .into(),
                identify: identify::Behaviour::new(identify),
                ping: ping::Behaviour::new(ping::Config::new()),
            }
        })
        .map_err(|error| transport(error.to_string()))?
        .with_swarm_config(|swarm| {
            swarm
                // Each of our substreams offers one protocol, so the dialer need not wait for a
                // confirmation: a request takes one round trip instead of two.
                .with_substream_upgrade_protocol_override(Version::V1Lazy)
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_notify_handler_buffer_size(
                    std::num::NonZeroUsize::new(64).unwrap_or(std::num::NonZeroUsize::MIN),
                )
        })
        .build();
    Ok(swarm)
}

/// Version 1.0 under the same identity, rates and bounds.
fn legacy_config(config: &NodeConfig, link: &LinkConfig, room: &Arc<Room>) -> legacy::Config {
    legacy::Config {
        rate: link.rate,
        trusted_rate: link.trusted_rate,
        require_encryption: config.require_encryption(),
        admission: Arc::new(LegacyAdmission(Arc::clone(room))),
        ..legacy::Config::new(link.handshake.identity.clone())
    }
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
