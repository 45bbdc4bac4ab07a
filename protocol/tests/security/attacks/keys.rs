//! Identity and ephemeral keys that are exchanged on the way.

use ed25519_dalek::SigningKey;
use peer_protocol::crypto::{BadPublicKey, BadSignature};
use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError};

use crate::rig::{KINDS, Node, Run};
use crate::wire::{Item, Letter, x25519_public};

const UNSIGNED: HandshakeError = HandshakeError::Signature(BadSignature);

/// Mallory puts the own identity key into the first or second message, under the old signature.
#[test]
fn swapped_identity_key_breaks_the_signature() {
    let mallory = Node::new("mallory", 66);
    for kind in KINDS {
        for made in [1, 2] {
            let mut run = Run::at(kind, made);
            let key = Item::bytes(mallory.key().as_bytes());
            let swapped = run.tampered(|letter| letter.set_in_body("public_key", key.clone()));
            assert_eq!(run.refuses(&swapped), UNSIGNED);
            // Nor does the honest signature help a message that only names another key.
            let named = run.forged(|letter| letter.set_in_body("public_key", key));
            assert_eq!(run.refuses(&named), UNSIGNED);
            run.finish();
        }
    }
}

/// Mallory leaves the identity key as it is and signs.
#[test]
fn a_message_in_anothers_name_needs_its_signature() {
    let mallory = SigningKey::from_bytes(&[66; 32]);
    for (kind, made) in crate::rig::all_stages() {
        let mut run = Run::at(kind, made);
        let signed = Letter::parse(&run.pending()).signed(&mallory);
        assert_eq!(run.refuses(&signed), UNSIGNED, "{kind} {made}");
        run.finish();
    }
}

/// Mallory puts the own ephemeral key into the first or second message.
#[test]
fn swapped_ephemeral_key_breaks_the_signature() {
    let mallory = SigningKey::from_bytes(&[66; 32]);
    let ephemeral = Item::bytes(x25519_public(&[67; 32]));
    for kind in KINDS {
        for made in [1, 2] {
            let mut run = Run::at(kind, made);
            let swapped =
                run.tampered(|letter| letter.set_in_body("ephemeral_key", ephemeral.clone()));
            assert_eq!(run.refuses(&swapped), UNSIGNED);
            let signed = Letter::parse(&swapped).signed(&mallory);
            assert_eq!(run.refuses(&signed), UNSIGNED);
            run.finish();
        }
    }
}

/// The two sides' keys, exchanged for each other.
#[test]
fn the_receivers_own_identity_key_is_refused() {
    for kind in KINDS {
        // Another name, the same key: two nodes with one key, or an echo.
        let mut run = Run::between(kind, [Node::new("entity_a", 2), Node::new("entity_b", 2)]);
        run.step();
        assert_eq!(run.refuses(&run.pending()), HandshakeError::OwnKey);

        let mut run = Run::at(kind, 2);
        let own = Item::bytes(run.nodes[0].key().as_bytes());
        let mut letter = Letter::parse(&run.pending());
        letter.set_in_body("public_key", own);
        let echoed = letter.signed(&run.nodes[0].signing);
        assert_eq!(run.refuses(&echoed), HandshakeError::OwnKey);
        run.finish();
    }
}

/// On a direct connection the carrier proves a key; a handshake under any other is refused.
#[test]
fn a_key_other_than_the_connections_is_refused() {
    let mallory = Node::new("mallory", 66);
    for kind in KINDS {
        for made in [1, 2] {
            let mut run = Run::new(kind);
            let side = made % 2;
            let honest = Expected::key(run.nodes[1 - side].key());
            run.expected[0] = Expected::key(run.nodes[1].key());
            run.expected[side] = honest.clone();
            let mut run = run.to(made);
            let key = Item::bytes(mallory.key().as_bytes());
            let mut letter = Letter::parse(&run.pending());
            letter.set_in_body("public_key", key);
            let error = run.refuses(&letter.signed(&mallory.signing));
            let expected = run.nodes[1 - side].fingerprint();
            let offered = mallory.fingerprint();
            assert_eq!(error, HandshakeError::KeyMismatch { expected, offered });
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
            run.finish();
        }
    }
}

/// Points of small order verify signatures that nobody made. RFC 8032 and its non-canonical forms.
#[test]
fn low_order_identity_keys_are_refused() {
    const POINTS: [&str; 8] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    for kind in KINDS {
        for made in [1, 2] {
            let mut run = Run::at(kind, made);
            for point in POINTS {
                let key = Item::bytes(hex::decode(point).unwrap());
                let forged = run.forged(|letter| letter.set_in_body("public_key", key));
                assert_eq!(run.refuses(&forged), HandshakeError::Key(BadPublicKey), "{point}");
            }
            run.finish();
        }
    }
}
