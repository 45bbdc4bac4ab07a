//! The behaviours of a node, put together. Those that can refuse a connection stand first, so that
//! no other records one that is then refused.

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{autonat, connection_limits, dcutr, identify, mdns, ping, relay, upnp};
use peer_behaviours::reachability::guard::Guard;
use peer_behaviours::reachability::probe;
use peer_behaviours::{legacy, limits, registry, routing, secure};

/// Everything the swarm runs.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) prefix_limits: limits::Behaviour,
    pub(crate) limits: connection_limits::Behaviour,
    /// Dials where others tell it to, and therefore can refuse too.
    pub(crate) autonat_server: Guard<autonat::v2::server::Behaviour>,
    /// The same.
    pub(crate) dcutr: Guard<dcutr::Behaviour>,
    pub(crate) secure: secure::Behaviour,
    /// Envelopes for peers without a connection, and for others'.
    pub(crate) routing: routing::Behaviour,
    /// Off, `/peer/1.0.0` is not even offered.
    pub(crate) legacy: Toggle<legacy::Behaviour>,
    /// Off, `/peer/kad/1.0.0` is not even offered.
    pub(crate) registry: Toggle<registry::Behaviour>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) probe: probe::Behaviour,
    pub(crate) relay_client: relay::client::Behaviour,
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    pub(crate) upnp: Toggle<upnp::tokio::Behaviour>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
}
