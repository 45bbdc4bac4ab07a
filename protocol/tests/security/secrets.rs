//! `Debug` output, which ends up in logs, gives no secret away.

use peer_protocol::crypto::{
    Ed25519Authenticator, EphemeralKey, KeySchedule, Secret, SessionKey, TrafficKeys,
};
use peer_protocol::handshake::HandshakeKind::SixStep;

use crate::rig::{Established, Node, Run};

/// No secret of 32 bytes shows as hex, nor as a list of numbers.
#[track_caller]
fn hides(text: &str, secret: &[u8]) {
    assert!(!text.to_lowercase().contains(&hex::encode(secret)), "{text}");
    let list = format!("{secret:?}");
    assert!(!text.contains(list.trim_matches(['[', ']'])), "{text}");
}

#[test]
fn keys_and_secrets_are_redacted() {
    let secret = Secret::new([0x5e; 32]);
    insta::assert_snapshot!(format!("{secret:?}"), @"Secret(..)");

    let session_key = SessionKey::derive(&secret, &[1; 32]);
    insta::assert_snapshot!(format!("{session_key:?}"), @"SessionKey(Secret(..))");

    let keys = KeySchedule::expand(&session_key);
    insta::assert_snapshot!(
        format!("{:?}", keys.initiator),
        @"DirectionKeys { traffic: TrafficKeys(..), confirm: Secret(..) }"
    );
    let text = format!("{keys:?}");
    for direction in [&keys.initiator, &keys.responder] {
        hides(&text, &direction.traffic.key);
        hides(&text, &direction.traffic.iv);
        hides(&text, direction.confirm.expose());
    }

    let traffic = TrafficKeys { key: [0x5e; 32], iv: [0x5e; 12] };
    insta::assert_snapshot!(format!("{traffic:?}"), @"TrafficKeys(..)");
}

#[test]
fn private_keys_are_redacted() {
    let authenticator = Ed25519Authenticator::from_seed(&[0x5e; 32]);
    let text = format!("{authenticator:?}");
    insta::assert_snapshot!(
        text,
        @"Ed25519Authenticator { public_key: PublicKey(8146640f02493af4fbc54fe33388e75dc2c937ae0b7727cc2b2afb1b75199a3e), .. }"
    );
    hides(&text, &[0x5e; 32]);

    let mut rng = Node::new("entity_a", 1).rng;
    let ephemeral = EphemeralKey::generate(&mut rng);
    let text = format!("{ephemeral:?}");
    hides(&text, &rng.drawn[0]);
    assert!(text.starts_with("EphemeralKey { public: "), "{text}");
    assert!(text.ends_with(", .. }"), "{text}");
}

#[test]
fn identities_and_configurations_are_redacted() {
    let node = Node::new("entity_a", 0x5e);
    let text = format!("{:?}", node.config.identity);
    insta::assert_snapshot!(
        text,
        @r#"Identity { entity: "entity_a", key: PublicKey(8146640f02493af4fbc54fe33388e75dc2c937ae0b7727cc2b2afb1b75199a3e) }"#
    );
    hides(&text, &[0x5e; 32]);
    hides(&format!("{:?}", node.config), &[0x5e; 32]);
}

#[test]
fn handshakes_and_sessions_are_redacted() {
    let mut run = Run::new(SixStep);
    let (machine, _) = run.nodes[0].begin(SixStep, run.expected[0].clone());
    insta::assert_snapshot!(
        format!("{machine:?}"),
        @"Handshake { role: Initiator, phase: SixStep(HandshakeInitSent), .. }"
    );
    let Established { sessions: [session, _], keys, .. } = Established::new(SixStep);
    let text = format!("{session:?}");
    insta::assert_snapshot!(
        text.replace(&session.id().to_string(), "[id]"),
        @r#"Session { id: SessionId([id]), role: Initiator, suite: "AES-256-GCM-BLAKE3", peer: "entity_b", .. }"#
    );
    for secret in [&keys.shared_secret[..], &keys.session_key, &keys.initiator.key] {
        hides(&text, secret);
    }
}
