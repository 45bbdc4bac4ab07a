//! Two peers, an attacker between them, and a clock that stands still until told.

mod handshake;
mod handshake_keys;
mod handshake_payload;
mod message;
mod replay;
mod session;
mod sessionless;
mod value;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{
    HandshakeError, Initiator, Message, NonceMemory, Object, PeerCheck, Responder, Session,
    Unsigned, Value, canonical,
};
use crate::crypto::{Ed25519Authenticator, PublicKey};
use crate::identity::{
    Admission, EntityId, Fingerprint, Identity, TrustError, TrustLevel, TrustPolicy, TrustStore,
    TrustView,
};
use crate::time::{Instant, Now, Timestamp};

const NOW: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1_000)),
    timestamp: Timestamp::from_millis(1_770_427_000_123),
};

#[derive(Default)]
struct Trust(Mutex<TrustStore>);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.lock().unwrap().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.0.lock().unwrap().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.0.lock().unwrap().level(entity, key)
    }
}

struct Side {
    me: Identity,
    trust: Trust,
    nonces: NonceMemory,
    expected: Option<PublicKey>,
    rng: StdRng,
}

impl Side {
    fn new(name: &str, seed: u8) -> Self {
        Self {
            me: identity(name, seed),
            trust: Trust::default(),
            nonces: NonceMemory::default(),
            expected: None,
            rng: StdRng::seed_from_u64(seed.into()),
        }
    }

    fn start(&mut self, peer: &str) -> Result<(Initiator, Message), HandshakeError> {
        Initiator::start(&self.me, &peer.parse().unwrap(), NOW, &mut self.rng)
    }

    fn accept(
        &mut self,
        message: &Message,
        now: Now,
    ) -> Result<(Responder, Message), HandshakeError> {
        let check = PeerCheck { trust: &self.trust, expected_key: self.expected.as_ref() };
        Responder::accept(&self.me, message, check, &mut self.nonces, now, &mut self.rng)
    }

    fn handle_ack(
        &mut self,
        initiator: &mut Initiator,
        ack: &Message,
        now: Now,
    ) -> Result<(Session, Message), HandshakeError> {
        let check = PeerCheck { trust: &self.trust, expected_key: self.expected.as_ref() };
        initiator.handle_ack(ack, check, now, &mut self.rng)
    }
}

fn identity(name: &str, seed: u8) -> Identity {
    let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(Some(name.parse().unwrap()), authenticator).unwrap()
}

fn sides() -> (Side, Side) {
    (Side::new("entity_a", 1), Side::new("エンティティ", 2))
}

/// A handshake up to the moment when the initiator awaits the `handshake_ack`.
fn half_way() -> (Side, Side, Initiator, Message, Responder, Message) {
    let (mut a, mut b) = sides();
    let (initiator, handshake) = a.start("エンティティ").unwrap();
    let (responder, ack) = b.accept(&handshake, NOW).unwrap();
    (a, b, initiator, handshake, responder, ack)
}

/// Two sessions that belong together.
fn connected() -> (Side, Session, Side, Session) {
    let (mut a, b, mut initiator, _, mut responder, ack) = half_way();
    let (session_a, confirm) = a.handle_ack(&mut initiator, &ack, NOW).unwrap();
    let session_b = responder.handle_confirm(&confirm, &b.trust, NOW).unwrap();
    (a, session_a, b, session_b)
}

/// What someone on the way can do: change a field and leave the signature.
fn tamper(message: &Message, field: &str, value: impl Into<Value>) -> Message {
    let Value::Object(mut object) = Value::parse(&message.to_bytes(), usize::MAX).unwrap() else {
        panic!("a message is an object");
    };
    object.insert(field.to_owned(), value.into());
    Message::parse(canonical(&Value::Object(object)).as_bytes()).unwrap()
}

/// What a dishonest peer can do: change anything and sign it.
fn resign(message: &Message, signer: &Identity, edit: impl FnOnce(&mut Unsigned)) -> Message {
    let mut content = message.content().clone();
    edit(&mut content);
    content.sign(signer)
}

fn text(message: &Message, field: &str) -> String {
    message.content().payload.get(field).unwrap().as_str().unwrap().to_owned()
}

fn payload(json: &str) -> Object {
    match Value::parse(json.as_bytes(), usize::MAX).unwrap() {
        Value::Object(object) => object,
        _ => panic!("not an object"),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// Time that passes on both clocks of a side while the other's message stays as fresh as ever.
fn stalled(time: Duration) -> Now {
    Now { instant: NOW.instant + time, timestamp: NOW.timestamp }
}
