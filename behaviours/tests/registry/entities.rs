//! Who publishes in these tests: keys from seeds, and what their owners sign.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p_core::PeerId;
use libp2p_identity::Keypair;
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::Identity;
use peer_protocol::limits::RECORD_TTL;
use peer_protocol::registry::{Capability, Record};
use peer_protocol::time::Timestamp;

/// One entity and its key.
pub(crate) struct Entity {
    pub(crate) identity: Identity,
    pub(crate) keypair: Keypair,
}

impl Entity {
    /// The entity `name` with a key that follows from `number`.
    pub(crate) fn new(name: &str, number: u16) -> Self {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let key = Arc::new(Ed25519Authenticator::from_seed(&seed));
        let identity = Identity::new(Some(name.parse().unwrap()), key).unwrap();
        Self { identity, keypair: Keypair::ed25519_from_bytes(seed).unwrap() }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Its record with these capabilities, made at `now`.
    pub(crate) fn record(&self, capabilities: &[&str], now: Timestamp) -> Bytes {
        let addresses = vec!["/ip4/192.0.2.1/tcp/4001".to_owned()];
        let capabilities = capabilities.iter().map(|name| capability(name)).collect();
        let record = Record::new(&self.identity, addresses, capabilities, now, RECORD_TTL);
        record.sign(&self.identity).unwrap()
    }

    /// Its record with this life.
    pub(crate) fn short_lived(&self, ttl: Duration, now: Timestamp) -> Bytes {
        Record::new(&self.identity, Vec::new(), Vec::new(), now, ttl).sign(&self.identity).unwrap()
    }

    /// What withdraws it.
    pub(crate) fn withdrawal(&self, capabilities: &[&str], now: Timestamp) -> Bytes {
        let capabilities = capabilities.iter().map(|name| capability(name)).collect();
        Record::withdrawal(&self.identity, capabilities, now).sign(&self.identity).unwrap()
    }
}

pub(crate) fn capability(name: &str) -> Capability {
    name.parse().unwrap()
}
