//! The behaviours of a node, put together. Those that can refuse a connection stand first, so that
//! no other records one that is then refused.

use libp2p::swarm::NetworkBehaviour;
use libp2p::{connection_limits, identify, ping};
use peer_behaviours::secure;

/// Everything the swarm runs.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) secure: secure::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
}
