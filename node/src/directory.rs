//! The peers that a node knows: who they are, where they are, how their session stands.

use std::collections::HashMap;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, multiaddr};
use peer_behaviours::secure;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::SessionId;
use peer_protocol::identity::{EntityId, Fingerprint};
use peer_protocol::time::Instant;

use crate::error::NodeError;
use crate::event_loop::redial::Redial;
use crate::model::SessionStatus;

/// Most peers remembered; of those that are not connected the first found goes.
const MAX_PEERS: usize = 4096;
/// Most addresses remembered per peer; the oldest goes first.
const MAX_ADDRESSES: usize = 16;

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) entity: Option<EntityId>,
    pub(crate) connections: HashMap<ConnectionId, Multiaddr>,
    /// When it connected, until a session was opened for that.
    pub(crate) connected_at: Option<Instant>,
    /// Where it can be dialled, the newest last.
    pub(crate) addresses: Vec<Multiaddr>,
    /// The best version it speaks, as it last said.
    pub(crate) protocol: Option<&'static str>,
    /// Whether it has said so since it connected.
    pub(crate) identified: bool,
    /// The state of the handshake under way, if no session is ready.
    pub(crate) phase: Option<&'static str>,
    pub(crate) sessions: Vec<(SessionId, SessionStatus)>,
    pub(crate) last_error: Option<String>,
    /// Whether to keep it connected, and when to dial it next.
    pub(crate) redial: Redial,
}

impl Peer {
    fn new(key: PublicKey) -> Self {
        Self {
            key,
            entity: None,
            connections: HashMap::new(),
            connected_at: None,
            addresses: Vec::new(),
            protocol: None,
            identified: false,
            phase: None,
            sessions: Vec::new(),
            last_error: None,
            redial: Redial::default(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Whether it should be connected and is not: it is kept, or has a session that still lives.
    pub(crate) fn is_missed(&self) -> bool {
        !self.is_connected() && (self.redial.is_kept() || !self.sessions.is_empty())
    }

    pub(crate) fn add_address(&mut self, address: Multiaddr) {
        self.addresses.retain(|known| *known != address);
        self.addresses.push(address);
        if self.addresses.len() > MAX_ADDRESSES {
            self.addresses.remove(0);
        }
    }

    /// A name for people: the entity id, or the id that the key derives.
    pub(crate) fn name(&self) -> String {
        self.entity.clone().unwrap_or_else(|| EntityId::derived(&self.key)).to_string()
    }
}

/// All peers known.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    peers: HashMap<PeerId, Peer>,
}

impl Directory {
    pub(crate) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.peers.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id)
    }

    /// The entry of a peer, made now if there is none; `None` if its key is not Ed25519.
    pub(crate) fn entry(&mut self, id: PeerId) -> Option<&mut Peer> {
        if !self.peers.contains_key(&id) {
            let key = secure::key_of(&id)?;
            if self.peers.len() >= MAX_PEERS {
                let gone = |(_, peer): &(&PeerId, &Peer)| {
                    !peer.is_connected() && !peer.redial.is_kept() && peer.sessions.is_empty()
                };
                let gone = self.peers.iter().find(gone).map(|(id, _)| *id)?;
                self.peers.remove(&gone);
            }
            self.peers.insert(id, Peer::new(key));
        }
        self.peers.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter()
    }

    /// The name of a peer for people.
    pub(crate) fn name(&self, id: &PeerId) -> String {
        self.peers.get(id).map_or_else(|| id.to_string(), Peer::name)
    }

    /// Finds a peer by entity id, peer id, fingerprint, or an address that ends in its peer id; the
    /// address is then remembered.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`], or [`NodeError::BadAddress`].
    pub(crate) fn resolve(&mut self, name: &str) -> Result<PeerId, NodeError> {
        let unknown = || NodeError::UnknownPeer { peer: name.to_owned() };
        if name.starts_with('/') {
            return self.resolve_address(name);
        }
        if let Some((id, _)) = self.by_entity(name) {
            return Ok(id);
        }
        if let Ok(id) = name.parse::<PeerId>() {
            return self.peers.contains_key(&id).then_some(id).ok_or_else(unknown);
        }
        let fingerprint: Fingerprint = name.parse().map_err(|_| unknown())?;
        let found = self.peers.iter().find(|(_, peer)| Fingerprint::of(&peer.key) == fingerprint);
        found.map(|(id, _)| *id).ok_or_else(unknown)
    }

    fn by_entity(&self, name: &str) -> Option<(PeerId, &Peer)> {
        let named = |peer: &Peer| {
            peer.entity.as_ref().is_some_and(|entity| entity.as_str() == name)
                || EntityId::derived(&peer.key).as_str() == name
        };
        self.peers
            .iter()
            .filter(|(_, peer)| named(peer))
            .max_by_key(|(_, peer)| (peer.is_connected(), peer.sessions.len()))
            .map(|(id, peer)| (*id, peer))
    }

    fn resolve_address(&mut self, text: &str) -> Result<PeerId, NodeError> {
        let bad = |reason: &str| NodeError::BadAddress {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        let address: Multiaddr = text.parse().map_err(|e: multiaddr::Error| bad(&e.to_string()))?;
        let id = peer_of(&address).ok_or_else(|| bad("it does not end in /p2p/<peer id>"))?;
        let peer = self.entry(id).ok_or_else(|| bad("its peer id is not of an Ed25519 key"))?;
        peer.add_address(address);
        Ok(id)
    }
}

/// The peer id at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(multiaddr::Protocol::P2p(id)) => Some(id),
        _ => None,
    }
}
