mod attacks;
mod freshness;
mod keys;
mod mailboxes;
mod model;
mod resolve;
mod search;
mod store;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::cbor;
use crate::crypto::{Ed25519Authenticator, sha256};
use crate::identity::{EntityId, Identity};
use crate::limits::RECORD_TTL;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn name(text: &str) -> EntityId {
    text.parse().unwrap()
}

fn can(text: &str) -> Capability {
    text.parse().unwrap()
}

fn identity(entity: &str, seed: u8) -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(Some(name(entity)), key).unwrap()
}

fn record_of(identity: &Identity, last_seen: Timestamp) -> Record {
    let addresses = vec!["/ip4/192.0.2.1/udp/4001/quic-v1".to_owned()];
    Record::new(identity, addresses, vec![can("write"), can("read")], last_seen, RECORD_TTL)
}

/// A valid record of `entity` under the key of `seed`.
fn signed(entity: &str, seed: u8, last_seen: Timestamp) -> Bytes {
    let identity = identity(entity, seed);
    record_of(&identity, last_seen).sign(&identity).unwrap()
}

fn withdrawn(entity: &str, seed: u8, last_seen: Timestamp) -> Bytes {
    let identity = identity(entity, seed);
    Record::withdrawal(&identity, vec![can("read")], last_seen).sign(&identity).unwrap()
}

fn key_of(entity: &str) -> Key {
    Key::of_entity(&name(entity))
}

fn verify(bytes: &[u8], key: &Key) -> Result<Verified, RegistryError> {
    SignedRecord::decode(bytes.to_vec())?.verify(key, NOW)
}

/// A record written by hand, with whatever somebody may want to sign.
struct Forger {
    entries: Vec<(&'static str, Vec<u8>)>,
}

impl Forger {
    fn new(identity: &Identity) -> Self {
        let mut forger = Self { entries: Vec::new() };
        forger.number("ttl", 3_600);
        forger.texts("addresses", &["/ip4/192.0.2.1/tcp/4001"]);
        forger.set("entity_id", |out| cbor::push_text(out, identity.entity().as_str()));
        forger.number("last_seen", NOW.as_millis());
        forger.set("public_key", |out| cbor::push_bytes(out, identity.public_key().as_bytes()));
        forger.texts("capabilities", &["read"]);
        forger
    }

    fn set(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        self.entries.retain(|(name, _)| *name != key);
        self.entries.push((key, value));
        self.entries.sort_by_key(|(name, _)| (name.len(), *name));
    }

    fn number(&mut self, key: &'static str, number: u64) {
        self.set(key, |out| cbor::push_head(out, 0, number));
    }

    fn texts(&mut self, key: &'static str, texts: &[&str]) {
        self.set(key, |out| {
            cbor::push_head(out, 4, texts.len() as u64);
            texts.iter().for_each(|text| cbor::push_text(out, text));
        });
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        cbor::push_head(&mut out, 5, self.entries.len() as u64);
        for (key, value) in &self.entries {
            cbor::push_text(&mut out, key);
            out.extend_from_slice(value);
        }
        out
    }

    fn sign(mut self, identity: &Identity) -> Vec<u8> {
        let message = [&b"peer-v1.1-registry"[..], &sha256(&self.bytes())].concat();
        let signature = identity.sign(&message);
        self.set("signature", |out| cbor::push_bytes(out, &signature));
        self.bytes()
    }
}
