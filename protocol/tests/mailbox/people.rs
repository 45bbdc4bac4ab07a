//! Those who take part.

use std::collections::BTreeMap;
use std::sync::Arc;

use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::delivery::Order;
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{Bodies, Change, Row};
use peer_protocol::message::{Body, Message, Task};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub(crate) const START: u64 = 1_800_000_000_000;

pub(crate) fn identity(name: &str, seed: u8) -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(Some(name.parse().unwrap()), key).unwrap()
}

pub(crate) fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_start(std::time::Duration::from_millis(millis)),
        timestamp: Timestamp::from_millis(START + millis),
    }
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// A task that says `content`, without an order.
pub(crate) fn task(rng: &mut StdRng, content: &str) -> Message {
    let task = Task {
        content: content.as_bytes().to_vec().into(),
        content_type: "text/plain".to_owned(),
        ..Task::default()
    };
    Message::new(rng, &Body::from(task), None).unwrap()
}

pub(crate) fn ordered(
    rng: &mut StdRng,
    content: &str,
    stream: StreamId,
    number: u64,
    after: Option<u64>,
) -> Message {
    Message { order: Some(Order { after, number, stream }), ..task(rng, content) }
}

pub(crate) fn ids(messages: &[Message]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

/// A disk: rows by key. What is not applied is lost in a crash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Disk {
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        for Change { key, value } in changes {
            match value {
                Some(value) => drop(self.0.insert(key, value.to_vec())),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.0.iter().filter(|(key, _)| !Change::is_body(key));
        rows.map(|(key, value)| Row { key, value })
    }
}

impl Bodies for Disk {
    fn read(&self, number: u64) -> Option<Vec<u8>> {
        self.0.get(&Change::body_key(number)).cloned()
    }
}

pub(crate) fn key_of(identity: &Identity) -> PublicKey {
    *identity.public_key()
}
