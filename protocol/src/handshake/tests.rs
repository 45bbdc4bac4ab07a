use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::body::Offer;
use super::*;
use crate::crypto::{Ed25519Authenticator, EphemeralKey};
use crate::envelope::Envelope;
use crate::identity::TrustStore;
use crate::identity::{Admission, TrustError, TrustLevel};
use crate::time::Timestamp;

fn identity(name: Option<&str>, seed: u8) -> Identity {
    let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
    Identity::new(name.map(|name| name.parse().unwrap()), key).unwrap()
}

fn key(seed: u8) -> PublicKey {
    *identity(None, seed).public_key()
}

fn name(text: &str) -> EntityId {
    text.parse().unwrap()
}

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

#[test]
fn the_first_message_is_addressed_by_name_or_else_by_the_key() {
    let config = Config::new(identity(Some("entity_a"), 1));
    let rng = &mut StdRng::seed_from_u64(1);
    let mut replay = ReplayGuard::default();
    for (expected, recipient) in [
        (Expected { entity: Some(name("b")), key: Some(key(2)) }, Some(name("b"))),
        (Expected { entity: Some(name("b")), key: None }, Some(name("b"))),
        (Expected::key(key(2)), Some(EntityId::derived(&key(2)))),
        (Expected::default(), None),
    ] {
        for kind in [HandshakeKind::SixStep, HandshakeKind::ThreeWay] {
            let mut cx = Context {
                config: &config,
                trust: &Anybody,
                replay: &mut replay,
                rng,
                now: Now::default(),
            };
            let started = Handshake::start(kind, expected.clone(), &mut cx);
            let Some(recipient) = &recipient else {
                assert!(matches!(started.unwrap_err(), HandshakeError::Parameter { .. }));
                continue;
            };
            let (_, progress) = started.unwrap();
            let envelope = read(progress.reply.unwrap());
            assert_eq!(&envelope.header().recipient, recipient);
        }
    }
}

struct Node {
    config: Config,
    replay: ReplayGuard,
    rng: StdRng,
}

impl Node {
    fn new(seed: u8) -> Self {
        let mut config = Config::new(identity(None, seed));
        config.accept_three_way = true;
        Self { config, replay: ReplayGuard::default(), rng: StdRng::seed_from_u64(seed.into()) }
    }

    fn at(&mut self, millis: u64) -> Context<'_> {
        let (config, replay, rng) = (&self.config, &mut self.replay, &mut self.rng);
        Context { config, trust: &Anybody, replay, rng, now: now(millis) }
    }
}

fn now(millis: u64) -> Now {
    Now::default() + Duration::from_millis(millis)
}

fn read(bytes: Vec<u8>) -> Envelope {
    Envelope::decode(bytes).unwrap()
}

/// §3.9: only a handshake of which nothing was heard yet gives way to another.
#[test]
fn only_a_first_message_without_an_answer_is_just_sent() {
    for kind in [HandshakeKind::SixStep, HandshakeKind::ThreeWay] {
        let [mut a, mut b] = [1, 2].map(Node::new);
        let (mut one, sent) = Handshake::start(kind, Expected::key(key(2)), &mut a.at(0)).unwrap();
        assert!(one.is_just_sent(), "{kind}");
        let first = read(sent.reply.unwrap());
        let (two, sent) = Handshake::accept(&first, &Expected::default(), &mut b.at(1)).unwrap();
        assert!(!two.is_just_sent(), "{kind}");
        one.handle(&read(sent.reply.unwrap()), &mut a.at(2)).unwrap();
        assert!(!one.is_just_sent(), "{kind}");
        assert_eq!((one.started(), two.started()), (now(0).instant, now(1).instant));
    }
}

/// §3.7: the time of a handshake counts from its first message, in whatever state it is.
#[test]
fn every_state_knows_when_its_handshake_began() {
    let [mut a, mut b] = [1, 2].map(Node::new);
    let anybody = Expected::default();
    let (at_a, at_b) = (now(3).instant, now(4).instant);

    let (init, e1) = six_step::start(Expected::key(key(2)), &mut a.at(3)).unwrap();
    let (challenge, e2) = six_step::accept(&read(e1), &anybody, &mut b.at(4)).unwrap();
    let (established, e3) = init.handle(&read(e2), &mut a.at(5)).unwrap();
    let (confirm, e4) = challenge.handle(&read(e3), &mut b.at(6)).unwrap();
    let (ready, _) = established.handle(&read(e4), &mut a.at(7)).unwrap();
    assert_eq!([init.started(), established.started(), ready.started()], [at_a; 3]);
    assert_eq!([challenge.started(), confirm.started()], [at_b; 2]);

    let (ack, e1) = three_way::start(Expected::key(key(2)), &mut a.at(3)).unwrap();
    let (confirm, _) = three_way::accept(&read(e1), &anybody, &mut b.at(4)).unwrap();
    assert_eq!((ack.started(), confirm.started()), (at_a, at_b));
}

#[test]
fn whoever_answers_must_be_whom_was_called() {
    let derived = EntityId::derived(&key(2));
    for (entity, expected_key, fine) in [
        (None, None, true),
        (None, Some(key(2)), true),
        (None, Some(key(3)), false),
        (Some(name("b")), None, true),
        (Some(name("c")), None, false),
        (Some(name("c")), Some(key(2)), false),
        (Some(derived.clone()), None, true),
        (Some(derived), Some(key(3)), false),
        (Some(EntityId::derived(&key(3))), None, false),
    ] {
        let expected = Expected { entity, key: expected_key };
        assert_eq!(expected.check(&name("b"), &key(2)).is_ok(), fine, "{expected:?}");
    }
}

/// §2.5: names of 64 bytes, and 64 of them in a list.
#[test]
fn an_offer_may_be_as_long_as_the_limits_say() {
    let ephemeral = EphemeralKey::generate(&mut StdRng::seed_from_u64(2));
    let mut config = Config::new(identity(None, 1));
    for (len, count, fine) in [(64, 1, true), (65, 1, false), (1, 64, true), (1, 65, false)] {
        config.features = vec!["n".repeat(len); count];
        let refused = Offer::new(&config, &ephemeral).choose(&config).err();
        let too_long = HandshakeError::Parameter { what: "an offer that is too long" };
        assert_eq!(refused, (!fine).then_some(too_long), "{count} names of {len} bytes");
    }
}

#[test]
fn a_choice_must_be_both_offered_and_known() {
    let ephemeral = EphemeralKey::generate(&mut StdRng::seed_from_u64(2));
    let mut config = Config::new(identity(None, 1));
    config.features = vec!["alpha".to_owned()];
    let offer = Offer::new(&config, &ephemeral);
    let none = Vec::new;
    assert!(offer.accept(&config, "1.1", "AES-256-GCM", none()).is_ok());
    assert!(offer.accept(&config, "1.1", "AES-256-GCM", config.features.clone()).is_ok());
    let refused = |offer: &Offer, config: &Config, version: &str, suite: &str| {
        offer.accept(config, version, suite, none()).err()
    };
    let not = |what| Some(HandshakeError::NotOffered { what });
    assert_eq!(refused(&offer, &config, "1.0", "AES-256-GCM"), not("version"));
    assert_eq!(refused(&offer, &config, "1.1", "NULL"), not("suite"));
    // Offered, but no longer known; known, but not offered.
    let mut narrow = config.clone();
    narrow.suites = SuiteRegistry::named(["AES-256-GCM"]);
    assert_eq!(refused(&offer, &narrow, "1.1", "ChaCha20-Poly1305"), not("suite"));
    let small = Offer::new(&narrow, &ephemeral);
    assert_eq!(refused(&small, &config, "1.1", "ChaCha20-Poly1305"), not("suite"));
}
