//! Ties the model to the code: every field that the model puts under signature, transcript and associated
//! data is changed in real messages of both handshakes, and the code has to refuse it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use cbor4ii::core::Value;
use cbor4ii::core::dec::Decode as _;
use cbor4ii::core::enc::Encode as _;
use cbor4ii::core::utils::{BufWriter, SliceReader};
use peer_model::wire::{Field, Kind};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey, SuiteRegistry, sha256};
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind};
use peer_protocol::identity::{
    Admission, EntityId, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::message::{Body, Heartbeat, Message};
use peer_protocol::replay::ReplayGuard;
use peer_protocol::session::Session;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const NOW: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// Everybody is a stranger, and strangers may pass.
struct Anybody;

impl TrustView for Anybody {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        TrustStore::default().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        TrustStore::default().admit(entity, key, now)
    }

    fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
        None
    }
}

struct Party {
    config: Config,
    replay: ReplayGuard,
    machine: Option<Handshake>,
    session: Option<Session>,
}

impl Party {
    fn new(number: u8) -> Self {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[number + 1; 32]));
        let name = format!("entity_{number}").parse().unwrap();
        let mut config = Config::new(Identity::new(Some(name), key).unwrap());
        config.suites = SuiteRegistry::named(["AES-256-GCM", "ChaCha20-Poly1305"]);
        config.features = vec!["one".to_owned(), "two".to_owned()];
        config.accept_three_way = true;
        Self { config, replay: ReplayGuard::default(), machine: None, session: None }
    }

    /// The answer to `bytes`, if they are taken and there is one.
    fn take(
        &mut self,
        bytes: Vec<u8>,
        peer: PublicKey,
        rng: &mut StdRng,
    ) -> Result<Option<Vec<u8>>, String> {
        let envelope = Envelope::decode(bytes).map_err(|error| error.to_string())?;
        let mut cx = Context {
            config: &self.config,
            trust: &Anybody,
            replay: &mut self.replay,
            rng,
            now: NOW,
        };
        let progress = match &mut self.machine {
            Some(machine) => machine.handle(&envelope, &mut cx),
            None => Handshake::accept(&envelope, &Expected::key(peer), &mut cx).map(
                |(machine, progress)| {
                    self.machine = Some(machine);
                    progress
                },
            ),
        };
        let progress = progress.map_err(|error| error.to_string())?;
        self.session = self.session.take().or(progress.session);
        Ok(progress.reply)
    }
}

/// A whole handshake and a first record, with `tamper` in between. What it refused: the kind of message, and
/// why.
fn exchange(
    kind: HandshakeKind,
    tamper: &mut dyn FnMut(Vec<u8>, &Identity) -> Vec<u8>,
) -> Result<(), (String, String)> {
    let rng = &mut StdRng::seed_from_u64(1);
    let mut parties = [Party::new(0), Party::new(1)];
    let keys = [0, 1].map(|party: usize| *parties[party].config.identity.public_key());
    let Party { config, replay, .. } = &mut parties[0];
    let mut cx = Context { config, trust: &Anybody, replay, rng, now: NOW };
    let (machine, progress) = Handshake::start(kind, Expected::key(keys[1]), &mut cx).unwrap();
    parties[0].machine = Some(machine);
    let (mut next, mut from) = (progress.reply, 0);
    while let Some(bytes) = next {
        let name = kind_of(&bytes);
        let bytes = tamper(bytes, &parties[from].config.identity);
        from = 1 - from;
        next = parties[from].take(bytes, keys[1 - from], rng).map_err(|why| (name, why))?;
    }
    // Whoever says something first: A in the six-step handshake, B in the other.
    let from = usize::from(kind == HandshakeKind::ThreeWay);
    let message = Message::new(rng, &Body::Heartbeat(Heartbeat::default()), None).unwrap();
    let Party { config, session, .. } = &mut parties[from];
    let sealed = session.as_mut().unwrap().seal(&[message], &config.identity, rng, NOW).unwrap();
    let bytes = tamper(sealed.bytes, &config.identity);
    let refused = |why: String| ("sealed".to_owned(), why);
    let envelope = Envelope::decode(bytes).map_err(|error| refused(error.to_string()))?;
    let Party { config, session, .. } = &mut parties[1 - from];
    let session = session.as_mut().unwrap();
    if envelope.header().session != Some(session.id()) {
        return Err(refused("another session".to_owned()));
    }
    let opened = session.open(envelope, &config.identity, NOW);
    let opened = opened.and_then(|record| session.accept(record, NOW));
    opened.map(|_| ()).map_err(|error| refused(error.to_string()))
}

type Entries = Vec<(Value, Value)>;

fn read(bytes: &[u8]) -> Entries {
    match Value::decode(&mut SliceReader::new(bytes)).unwrap() {
        Value::Map(entries) => entries,
        other => panic!("{other:?} is no map"),
    }
}

fn write(entries: Entries) -> Vec<u8> {
    let mut writer = BufWriter::new(Vec::new());
    Value::Map(entries).encode(&mut writer).unwrap();
    writer.into_inner()
}

fn keys(entries: &Entries) -> Vec<String> {
    let text = |key: &Value| match key {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no key"),
    };
    entries.iter().map(|(key, _)| text(key)).collect()
}

fn entry<'a>(entries: &'a mut Entries, name: &str) -> &'a mut Value {
    let found = entries.iter_mut().find(|(key, _)| *key == Value::Text(name.to_owned()));
    &mut found.unwrap().1
}

fn kind_of(bytes: &[u8]) -> String {
    match entry(&mut read(bytes), "msg_type") {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no kind"),
    }
}

/// Another value of the same shape, and where there are few, another that is allowed.
fn change(value: &mut Value) {
    match value {
        Value::Bytes(bytes) => *bytes.last_mut().unwrap() ^= 1,
        Value::Text(text) if text == "AES-256-GCM" => "ChaCha20-Poly1305".clone_into(text),
        Value::Text(text) => text.push('x'),
        Value::Integer(number) => *number += 1,
        Value::Bool(value) => *value = !*value,
        Value::Array(items) if items.len() > 1 => drop(items.pop()),
        Value::Array(items) => items.push(Value::Text("1.0".to_owned())),
        other => panic!("no field holds {other:?}"),
    }
}

/// `bytes` with `field` changed, and signed again if there is a key.
fn changed(bytes: &[u8], kind: Kind, field: Field, signer: Option<&Identity>) -> Vec<u8> {
    let mut envelope = read(bytes);
    if kind == Kind::Sealed && field == Field::Record {
        change(entry(&mut envelope, "payload"));
    } else if kind.body().contains(&field) {
        let Value::Bytes(payload) = entry(&mut envelope, "payload") else { panic!("no payload") };
        let mut body = read(payload);
        change(entry(&mut body, field.key()));
        *payload = write(body);
    } else {
        change(entry(&mut envelope, field.key()));
    }
    if let Some(signer) = signer {
        let mut unsigned = envelope.clone();
        unsigned.retain(|(key, _)| *key != Value::Text("signature".to_owned()));
        let input = [&b"peer-v1.1-envelope"[..], &sha256(&write(unsigned))].concat();
        *entry(&mut envelope, "signature") = Value::Bytes(signer.sign(&input).to_vec());
    }
    write(envelope)
}

const HANDSHAKES: [HandshakeKind; 2] = [HandshakeKind::SixStep, HandshakeKind::ThreeWay];

/// Kinds of messages, as they come.
fn kinds(handshake: HandshakeKind) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut note = |bytes: Vec<u8>, _: &Identity| {
        let name = kind_of(&bytes);
        kinds.push(Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap());
        bytes
    };
    exchange(handshake, &mut note).expect("an honest handshake");
    kinds
}

#[test]
fn the_model_has_exactly_the_fields_of_real_messages() {
    for handshake in HANDSHAKES {
        let mut check = |bytes: Vec<u8>, _: &Identity| {
            let name = kind_of(&bytes);
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap();
            let mut envelope = read(&bytes);
            let Value::Integer(sequence) = *entry(&mut envelope, "sequence_num") else { panic!() };
            assert_eq!(sequence.to_string(), kind.sequence(), "of {name}");
            let model: Vec<&str> = kind.envelope().iter().map(|field| field.key()).collect();
            let mut real = keys(&envelope);
            real.retain(|key| key != "payload");
            assert_eq!(real, model, "in the envelope of {name}");
            if kind != Kind::Sealed {
                let Value::Bytes(payload) = entry(&mut envelope, "payload") else { panic!() };
                let model: Vec<&str> = kind.body().iter().map(|field| field.key()).collect();
                assert_eq!(keys(&read(payload)), model, "in the body of {name}");
            }
            bytes
        };
        exchange(handshake, &mut check).expect("an honest handshake");
    }
    let mut all = HANDSHAKES.map(kinds).concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, Kind::ALL, "every kind of the model came up");
}

#[test]
fn whatever_the_model_signs_cannot_be_changed() {
    for handshake in HANDSHAKES {
        for kind in kinds(handshake) {
            for field in kind.fields() {
                let mut tamper = |bytes: Vec<u8>, _: &Identity| {
                    if kind_of(&bytes) == kind.name() {
                        changed(&bytes, kind, field, None)
                    } else {
                        bytes
                    }
                };
                let refused = exchange(handshake, &mut tamper);
                let at = refused.err().map(|(at, _)| at);
                assert_eq!(at.as_deref(), Some(kind.name()), "with another {field:?}");
            }
        }
    }
}

/// What nothing hashes: the model leaves `handshake_confirm` out of the transcript as well. Whoever has
/// A's identity key can change these two, and no other.
const FREE: [(Kind, Field); 2] =
    [(Kind::HandshakeConfirm, Field::Nonce), (Kind::HandshakeConfirm, Field::Timestamp)];

#[test]
fn whatever_the_model_hashes_or_seals_cannot_be_changed_even_with_the_senders_key() {
    for handshake in HANDSHAKES {
        for kind in kinds(handshake) {
            for field in kind.fields() {
                if field == Field::Signature {
                    continue;
                }
                let mut tampered = false;
                let mut tamper = |bytes: Vec<u8>, sender: &Identity| {
                    if kind_of(&bytes) == kind.name() {
                        tampered = true;
                        changed(&bytes, kind, field, Some(sender))
                    } else {
                        bytes
                    }
                };
                let refused = exchange(handshake, &mut tamper);
                assert!(tampered);
                let free = FREE.contains(&(kind, field));
                assert_eq!(refused.is_ok(), free, "with another {field:?} in {kind:?}");
                if let Err((at, why)) = refused {
                    println!("{kind:?}, {field:?}: refused at {at}: {why}");
                }
            }
        }
    }
}

#[test]
fn signing_again_is_done_right() {
    for handshake in HANDSHAKES {
        for kind in kinds(handshake) {
            let mut tamper = |bytes: Vec<u8>, sender: &Identity| {
                if kind_of(&bytes) == kind.name() {
                    // Twice changed is not changed: what is left is the signature, made here.
                    let once = changed(&bytes, kind, Field::Nonce, None);
                    let twice = changed(&once, kind, Field::Nonce, Some(sender));
                    assert_eq!(twice, bytes);
                    return twice;
                }
                bytes
            };
            exchange(handshake, &mut tamper).expect("an honest handshake");
        }
    }
}
