use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::body::Offer;
use super::*;
use crate::crypto::{Ed25519Authenticator, EphemeralKey};
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
            let envelope = crate::envelope::Envelope::decode(progress.reply.unwrap()).unwrap();
            assert_eq!(&envelope.header().recipient, recipient);
        }
    }
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
