//! A man in the middle: Mallory, with an identity key of Mallory's own, between A and B.

use ed25519_dalek::SigningKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError, HandshakeKind};
use peer_protocol::identity::{EntityId, TrustError};

use crate::rig::{Established, KINDS, Node, Run, all_stages, steps};
use crate::wire::{Item, Letter, transcript};

/// Mallory answers A in B's name, and calls B in A's name.
fn relay(kind: HandshakeKind) -> [Run; 2] {
    let towards_a = Run::between(kind, [Node::new("entity_a", 1), Node::new("entity_b", 66)]);
    let towards_b = Run::between(kind, [Node::new("entity_a", 66), Node::new("entity_b", 2)]);
    [towards_a, towards_b]
}

/// A expects the key that the connection proves, or knows B, or names B by the id its key derives.
#[test]
fn man_in_the_middle_with_an_own_key_is_refused_by_whoever_knows_the_peer() {
    let (b, mallory) = (Node::new("entity_b", 2), Node::new("entity_b", 66));
    for kind in KINDS {
        let [mut run, _] = relay(kind);
        run.expected[0].key = Some(b.key());
        let mut run = run.to(2);
        let (expected, offered) = (b.fingerprint(), mallory.fingerprint());
        assert_eq!(run.refuses(&run.pending()), HandshakeError::KeyMismatch { expected, offered });

        let [run, _] = relay(kind);
        let now = run.nodes[0].now.timestamp;
        run.nodes[0].trust.with(|store| store.admit(&b.entity(), &b.key(), now)).unwrap();
        let mut run = run.to(2);
        let error = run.refuses(&run.pending());
        let known = b.fingerprint();
        let trust = TrustError::KeyMismatch { entity: b.entity(), known, offered };
        assert_eq!(error, HandshakeError::Trust(trust));

        let [mut run, _] = relay(kind);
        run.expected[0].entity = Some(EntityId::derived(&b.key()));
        run.step();
        // Mallory reads what is addressed to B, and answers it in full.
        let mut readdressed = Letter::parse(&run.pending());
        readdressed.set("recipient_id", Item::text("entity_b"));
        let readdressed = readdressed.signed(&run.nodes[0].signing);
        let (_, e2) = run.nodes[1].answer(&readdressed, &Expected::default()).unwrap();
        let mut answer = Letter::parse(&e2);
        answer.set_in_body("transcript", Item::bytes(transcript(&run.sent)));
        let answer = answer.signed(&run.nodes[1].signing);
        let (expected, found) = (EntityId::derived(&b.key()), b.entity());
        let error = run.refused(0, &answer).handshake();
        assert_eq!(error, HandshakeError::Address { found, expected });
    }
}

/// Of two strangers that never compare fingerprints the first use is trusted. Even then Mallory has two
/// sessions, not one: no step and no record of the one fits the other, and A sees Mallory's key.
#[test]
fn man_in_the_middle_of_strangers_cannot_join_the_two_handshakes() {
    for kind in KINDS {
        for made in 2..=steps(kind) {
            let [towards_a, towards_b] = relay(kind);
            let (mut a, mut b) = (towards_a.to(made), towards_b.to(made));
            let (for_a, for_b) = (b.pending(), a.pending());
            for (run, foreign) in [(&mut a, for_a), (&mut b, for_b)] {
                let error = run.refuses(&foreign);
                assert!(
                    matches!(error, HandshakeError::Transcript | HandshakeError::Session { .. }),
                    "{kind} {made}: {error}"
                );
            }
            a.finish();
            b.finish();
        }
        let [mut a, mut b] = relay(kind).map(Run::finish);
        assert_ne!(a.keys, b.keys);
        assert_eq!(a.sessions[0].peer().key, Node::new("mallory", 66).key());
        let record = a.seal(0, "for B");
        assert!(b.receive(1, &record).is_err());
        let mut letter = Letter::parse(&record);
        letter.set("session_id", Item::bytes(b.sessions[1].id().as_bytes()));
        let error = b.refuses(1, &letter.signed(&a.nodes[0].signing));
        assert_eq!(ErrorCode::from(&error), ErrorCode::DecryptionFailed);
        assert_eq!(b.receive(1, &letter.signed(&b.nodes[0].signing)).unwrap_err().session(), error);
    }
}

/// Mallory carries an honest handshake and takes over at some message, with an own signature.
#[test]
fn man_in_the_middle_cannot_take_over_a_handshake_half_way() {
    let mallory = SigningKey::from_bytes(&[66; 32]);
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let taken_over = Letter::parse(&run.pending()).signed(&mallory);
        assert_eq!(run.refused(run.receiver(), &taken_over).code(), ErrorCode::InvalidSignature);
        run.finish();
    }
}

/// Who merely carries an honest handshake learns no key and can add nothing.
#[test]
fn man_in_the_middle_who_only_carries_learns_nothing() {
    for kind in KINDS {
        let honest = Established::new(kind);
        let secrets = [
            &honest.keys.shared_secret[..],
            &honest.keys.session_key,
            &honest.keys.initiator.key,
            &honest.keys.responder.key,
            &honest.keys.initiator.confirm,
            &honest.keys.responder.confirm,
        ];
        for (message, secret) in honest.sent.iter().flat_map(|m| secrets.map(|s| (m, s))) {
            assert!(!message.windows(secret.len()).any(|window| window == secret));
        }
    }
}
