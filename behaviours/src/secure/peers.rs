//! What the behaviour knows of each peer: its connections, its sessions, and the way to its link.

use std::collections::{HashMap, HashSet};

use libp2p_core::PeerId;
use libp2p_swarm::ConnectionId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::SessionId;
use tokio::sync::{mpsc, watch};

use super::driver::{Input, Reach};
use super::gate::Prefix;

/// Places in a link's input channel.
pub(super) const INPUTS: usize = 256;
/// Places kept free for answers and failures, which must not be lost; requests and messages are
/// refused once only these are left. A link has at most seventeen requests in flight.
const RESERVED: usize = 64;

/// One peer.
pub(super) struct Peer {
    inputs: mpsc::Sender<Input>,
    reach: watch::Sender<Reach>,
    pub(super) connections: HashMap<ConnectionId, Prefix>,
    pub(super) sessions: HashSet<SessionId>,
    /// Connections that stayed silent when they should not have.
    pub(super) suspects: HashSet<ConnectionId>,
}

impl Peer {
    pub(super) fn new(inputs: mpsc::Sender<Input>, reach: watch::Sender<Reach>) -> Self {
        Self {
            inputs,
            reach,
            connections: HashMap::new(),
            sessions: HashSet::new(),
            suspects: HashSet::new(),
        }
    }

    /// Hands over something that may be refused if the link is busy; returns whether it was taken.
    pub(super) fn offer(&self, input: Input) -> bool {
        self.inputs.capacity() > RESERVED && self.inputs.try_send(input).is_ok()
    }

    /// Hands over something that must not be lost; there is always a place for it.
    pub(super) fn deliver(&self, input: Input) {
        if self.inputs.try_send(input).is_err() {
            tracing::error!("a link's input channel overflowed its reserve");
        }
    }

    pub(super) fn connection_opened(&mut self, id: ConnectionId, prefix: Prefix) {
        self.connections.insert(id, prefix);
        self.reach.send_if_modified(|reach| {
            let first = !reach.connected;
            if first {
                *reach = Reach { epoch: reach.epoch + 1, connected: true };
            }
            first
        });
    }

    pub(super) fn connection_closed(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        self.suspects.remove(&id);
        if self.connections.is_empty() {
            self.reach.send_if_modified(|reach| std::mem::replace(&mut reach.connected, false));
        }
    }

    /// Whether nothing would be missed if the link were forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.sessions.is_empty()
    }
}

/// The Ed25519 key that a peer id is made of; `None` for peer ids of other keys.
#[must_use]
pub fn key_of(peer: &PeerId) -> Option<PublicKey> {
    const IDENTITY: u64 = 0;
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY {
        return None;
    }
    let key = libp2p_identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    PublicKey::from_bytes(&key.try_into_ed25519().ok()?.to_bytes()).ok()
}

/// The peer id of an Ed25519 key; `None` if libp2p does not take the key.
#[must_use]
pub fn peer_id_of(key: &PublicKey) -> Option<PeerId> {
    let key = libp2p_identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(PeerId::from_public_key(&key.into()))
}
