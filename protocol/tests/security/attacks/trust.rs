//! Names and keys that do not belong together, and peers that are not wanted.

use std::sync::Arc;

use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError};
use peer_protocol::identity::{
    EntityId, EntityIdError, Identity, TrustError, TrustLevel, TrustPolicy,
};

use crate::rig::{KINDS, Node, Run};
use crate::wire::Item;

/// Either side knows the other's name under another key: both fingerprints are in the error, and
/// what is on record stays on record.
#[test]
fn wrong_fingerprint_for_a_known_entity_id_is_refused() {
    let stranger = Node::new("stranger", 66);
    for kind in KINDS {
        for made in [1, 2] {
            for level in [TrustLevel::Seen, TrustLevel::Pinned] {
                let run = Run::new(kind);
                let (side, now) = (made % 2, run.nodes[0].now.timestamp);
                let entity = run.nodes[1 - side].entity();
                run.nodes[side].trust.with(|store| match level {
                    TrustLevel::Pinned => store.pin(entity.clone(), stranger.fingerprint(), now),
                    _ => drop(store.admit(&entity, &stranger.key(), now).unwrap()),
                });
                let mut run = run.to(made);
                let before = run.nodes[side].trust.snapshot();
                let error = run.refuses(&run.pending());
                let (known, offered) = (stranger.fingerprint(), run.nodes[1 - side].fingerprint());
                let mismatch = TrustError::KeyMismatch { entity, known, offered };
                assert_eq!(error, HandshakeError::Trust(mismatch));
                assert_eq!(ErrorCode::from(&error).as_str(), "INVALID_SIGNATURE");
                let text = error.to_string();
                assert!(text.contains(&known.to_string()), "{text}");
                assert!(text.contains(&offered.to_string()), "{text}");
                assert_eq!(run.nodes[side].trust.snapshot(), before);
            }
        }
    }
}

#[test]
fn revoked_key_is_refused_under_any_name() {
    for kind in KINDS {
        for made in [1, 2] {
            let run = Run::new(kind);
            let side = made % 2;
            let (entity, fingerprint) =
                (run.nodes[1 - side].entity(), run.nodes[1 - side].fingerprint());
            run.nodes[side].trust.with(|store| store.revoke(fingerprint));
            let mut run = run.to(made);
            let revoked = TrustError::Revoked { entity, fingerprint };
            let error = run.refuses(&run.pending());
            assert_eq!(error, HandshakeError::Trust(revoked));
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
        }
    }
}

/// Trust is asked again at the end: a key revoked, or a name taken, while the handshake ran.
#[test]
fn revoked_key_in_the_middle_of_a_handshake_is_refused() {
    for kind in KINDS {
        for side in 0..2 {
            let mut run = Run::new(kind);
            // Just before this side would take the session into use.
            let last = match (crate::rig::steps(kind), side) {
                (6, 0) => 6,
                (6, _) => 5,
                (_, 0) => 2,
                _ => 3,
            };
            let between = |run: &Run| {
                let fingerprint = run.nodes[1 - side].fingerprint();
                run.nodes[side].trust.with(|store| store.revoke(fingerprint));
            };
            run = run.to(last);
            between(&run);
            let error = run.refuses(&run.pending());
            assert!(matches!(error, HandshakeError::Trust(TrustError::Revoked { .. })), "{error}");
        }
    }
}

#[test]
fn pinned_only_refuses_whoever_is_not_pinned() {
    for kind in KINDS {
        for made in [1, 2] {
            let run = Run::new(kind);
            let (side, now) = (made % 2, run.nodes[0].now.timestamp);
            let peer = &run.nodes[1 - side];
            let (entity, fingerprint, key) = (peer.entity(), peer.fingerprint(), peer.key());
            let trust = run.nodes[side].trust.clone();
            // Having been seen before is not enough.
            trust.with(|store| store.admit(&entity, &key, now)).unwrap();
            trust.with(|store| store.set_policy(TrustPolicy::PinnedOnly));
            let mut run = run.to(made);
            let error = run.refuses(&run.pending());
            let not_pinned = TrustError::NotPinned { entity: entity.clone(), fingerprint };
            assert_eq!(error, HandshakeError::Trust(not_pinned));
            trust.with(|store| store.pin(entity, fingerprint, now));
            run.finish();
        }
    }
}

/// The id that a key derives belongs to that key.
#[test]
fn reserved_entity_id_of_another_key_is_refused() {
    let victim = EntityId::derived(&Node::new("victim", 77).key());
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        let forged = run.forged(|letter| letter.set("sender_id", Item::text(victim.as_str())));
        let error = run.refuses(&forged);
        assert!(is_reserved(&error), "{error}");
        run.finish();
    }
    let squatter = Node::new("squatter", 66);
    let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[66; 32]));
    assert!(Identity::new(Some(victim.clone()), authenticator).is_err());
    let (key, now) = (squatter.key(), squatter.now.timestamp);
    let refused = squatter.trust.with(|store| store.admit(&victim, &key, now)).unwrap_err();
    assert!(is_reserved(&HandshakeError::Trust(refused)));
}

fn is_reserved(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::Trust(TrustError::Id(EntityIdError::Reserved { .. })))
}

/// With the key alone known, an initiator calls by the derived id, and B may answer with its name,
/// but Mallory may not answer with B's derived id.
#[test]
fn reserved_entity_id_in_an_answer_is_refused() {
    for kind in KINDS {
        let mut run = Run::between(kind, [Node::new("entity_a", 1), Node::new("mallory", 66)]);
        let b = Node::new("entity_b", 2);
        // A was told Mallory's key, so that Mallory may answer under any name that is its own to use.
        run.expected[0] = Expected::key(run.nodes[1].key());
        let mut run = run.to(2);
        let derived = Item::text(EntityId::derived(&b.key()).as_str());
        let forged = run.forged(|letter| letter.set("sender_id", derived));
        let error = run.refuses(&forged);
        assert!(is_reserved(&error), "{error}");
        run.finish();
    }
}

/// Only a finished handshake is put on record, on both sides, with the key that it proved.
#[test]
fn strangers_are_recorded_once_they_have_proved_their_key_and_not_before() {
    for (kind, made) in crate::rig::all_stages() {
        let run = Run::at(kind, made);
        for side in 0..2 {
            let known = run.nodes[side].trust.snapshot().iter().count();
            let initiator_is_done = made == 3 && crate::rig::steps(kind) == 3;
            let responder_is_done = made == 6;
            let done = if side == 0 { initiator_is_done } else { responder_is_done };
            assert_eq!(known, usize::from(done), "{kind} {made} {side}");
        }
        let established = run.finish();
        for side in 0..2 {
            let peer = &established.nodes[1 - side];
            let store = established.nodes[side].trust.snapshot();
            let entry = store.get(&peer.entity()).unwrap();
            assert_eq!((entry.fingerprint, entry.level), (peer.fingerprint(), TrustLevel::Seen));
            assert_eq!(established.sessions[side].peer().key, peer.key());
        }
    }
}
