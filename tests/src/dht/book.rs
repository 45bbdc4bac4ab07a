//! What has been published: what lookups have to find, and what hostile nodes make their lies from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::limits::RECORD_TTL;
use peer_protocol::registry::{Capability, Key, Record};
use peer_protocol::time::Timestamp;

/// An entity with its key.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub(super) identity: Identity,
    pub(super) keypair: Keypair,
}

impl Entity {
    /// The entity with this name and this seed of its key.
    pub(super) fn new(name: &str, seed: [u8; 32]) -> Self {
        let key = Arc::new(Ed25519Authenticator::from_seed(&seed));
        let name = name.parse().expect("a valid entity id");
        let identity = Identity::new(Some(name), key).expect("the name is not reserved");
        let keypair = Keypair::ed25519_from_bytes(seed).expect("32 bytes");
        Self { identity, keypair }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Its record, signed.
    pub(super) fn sign(&self, capabilities: Vec<Capability>, made: Timestamp) -> (Record, Bytes) {
        let addresses = vec!["/ip4/192.0.2.1/udp/4001/quic-v1".to_owned()];
        let record = Record::new(&self.identity, addresses, capabilities, made, RECORD_TTL);
        let bytes = record.sign(&self.identity).expect("within all limits");
        (record, bytes)
    }
}

/// An entity that has published.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) id: EntityId,
    pub(super) key: PublicKey,
    pub(super) capability: Capability,
    pub(super) record: Bytes,
}

#[derive(Debug, Default)]
struct Pages {
    servers: HashMap<PeerId, Multiaddr>,
    published: Vec<Published>,
    newest: HashMap<Key, Bytes>,
    stale: HashMap<Key, Bytes>,
}

/// What everybody may read.
#[derive(Debug, Clone, Default)]
pub(super) struct Book(Arc<Mutex<Pages>>);

impl Book {
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server is there, or gone: what identify would tell those who connect to it.
    pub(super) fn serve(&self, peer: PeerId, address: Option<Multiaddr>) {
        match address {
            Some(address) => self.pages().servers.insert(peer, address),
            None => self.pages().servers.remove(&peer),
        };
    }

    pub(super) fn server(&self, peer: &PeerId) -> Option<Multiaddr> {
        self.pages().servers.get(peer).cloned()
    }

    /// Signs what `entity` says now, and, for hostile nodes, what it might have said an hour ago.
    pub(super) fn publish(&self, entity: &Entity, capability: Capability, now: Timestamp) -> Bytes {
        let (record, bytes) = entity.sign(vec![capability.clone()], now);
        let earlier = now - Duration::from_secs(3_600);
        let (_, stale) = entity.sign(vec![capability.clone()], earlier);
        let mut pages = self.pages();
        for key in record.keys() {
            pages.newest.insert(key, bytes.clone());
            pages.stale.insert(key, stale.clone());
        }
        let (id, key) = (record.entity, record.public_key);
        pages.published.push(Published { id, key, capability, record: bytes.clone() });
        bytes
    }

    pub(super) fn published(&self) -> Vec<Published> {
        self.pages().published.clone()
    }

    pub(super) fn newest(&self, key: &Key) -> Option<Bytes> {
        self.pages().newest.get(key).cloned()
    }

    pub(super) fn stale(&self, key: &Key) -> Option<Bytes> {
        self.pages().stale.get(key).cloned()
    }

    /// A valid record that does not belong under `key`.
    pub(super) fn other(&self, key: &Key) -> Option<Bytes> {
        let pages = self.pages();
        pages.newest.iter().find(|(other, _)| *other != key).map(|(_, record)| record.clone())
    }
}
