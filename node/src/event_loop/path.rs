//! Which way messages to a peer take.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::EventLoop;
use crate::directory::Peer;
use crate::model::{Path, PathKind};

impl EventLoop {
    /// The way to a peer, if there is one now.
    pub(super) fn path(&self, id: &PeerId) -> Option<Path> {
        let over_hops = || {
            let carriers = self.routes.get(id).map(|hops| hops.saturating_sub(1));
            carriers.map(|_| Path { kind: PathKind::Hops, address: None, carriers })
        };
        let known = self.directory.get(id);
        let over_http = || {
            let http = known.filter(|peer| peer.speaks_legacy())?.http.as_ref()?;
            Some(Path { kind: PathKind::Http, address: http.url.clone(), carriers: None })
        };
        known.and_then(connection).or_else(over_hops).or_else(over_http)
    }
}

/// Round-trip time of the connection that counts, once a ping has measured it.
pub(super) fn round_trip(peer: &Peer) -> Option<Duration> {
    let (id, _) = best(peer)?;
    peer.pings.get(id).copied()
}

/// The connection that counts: one without a relay, if there is any.
fn best(peer: &Peer) -> Option<(&ConnectionId, &Multiaddr)> {
    peer.connections.iter().min_by_key(|(id, at)| (is_relayed(at), **id))
}

fn connection(peer: &Peer) -> Option<Path> {
    let best = best(peer)?;
    let kind = match best {
        (_, at) if is_relayed(at) => PathKind::Relayed,
        (id, _) if peer.punched.contains(id) => PathKind::HolePunched,
        _ => PathKind::Direct,
    };
    Some(Path { kind, address: Some(best.1.to_string()), carriers: None })
}

fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}
