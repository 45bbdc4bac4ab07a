//! Identity misbinding, or unknown key share: both sides get the same key, but each thinks of another
//! peer. Mallory is a legitimate entity, known to both, and knows none of their ephemeral keys.

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError};

use crate::rig::{KINDS, Node, Run, steps};
use crate::wire::{Item, Letter};

/// Mallory signs A's first message as its own: B is to think that A's ephemeral key is Mallory's.
#[test]
fn misbinding_of_the_initiators_ephemeral_key_is_noticed_by_the_initiator() {
    for kind in KINDS {
        for name in ["mallory", "entity_a"] {
            let mallory = Node::new(name, 66);
            let mut run = Run::at(kind, 1);
            let mut stolen = Letter::parse(&run.pending());
            stolen.set("sender_id", Item::text(name));
            stolen.set_in_body("public_key", Item::bytes(mallory.key().as_bytes()));
            let stolen = stolen.signed(&mallory.signing);
            let (mut bound_to_mallory, e2) =
                run.nodes[1].answer(&stolen, &Expected::default()).unwrap();
            // B's answer, with A's ephemeral key under it, goes to A.
            let error = run.refused(0, &e2).handshake();
            if name == "mallory" {
                assert!(matches!(error, HandshakeError::Address { .. }), "{error}");
            } else {
                assert_eq!(error, HandshakeError::Transcript);
            }
            assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidSignature);
            // What A says in its handshake with B proves nothing for Mallory.
            let mut honest = Run::at(kind, 3);
            for made in (3..=steps(kind)).step_by(2) {
                honest = honest.to(made);
                let mut letter = Letter::parse(&honest.pending());
                letter.set("sender_id", Item::text(name));
                for message in [honest.pending(), letter.signed(&mallory.signing)] {
                    assert!(run.nodes[1].go_on(&mut bound_to_mallory, &message).is_err());
                }
            }
        }
    }
}

/// A wants to talk to Mallory, who forwards A's first message to B: B is to think that A called B.
#[test]
fn misbinding_of_the_responder_is_noticed_by_the_responder() {
    for kind in KINDS {
        let run = Run::between(kind, [Node::new("entity_a", 1), Node::new("mallory", 66)]).to(1);
        let mut b = Node::new("entity_b", 2);
        let error = b.answer(&run.pending(), &Expected::default()).unwrap_err().handshake();
        let (expected, found) = (b.entity(), run.nodes[1].entity());
        assert_eq!(error, HandshakeError::Address { found, expected });
    }
}

/// Mallory signs B's answer as its own: A, who called Mallory, is to take B's ephemeral key for it.
#[test]
fn misbinding_of_the_responders_ephemeral_key_is_noticed() {
    for kind in KINDS {
        let mut run = Run::between(kind, [Node::new("entity_a", 1), Node::new("mallory", 66)]);
        run.step();
        let mallory = &run.nodes[1];
        // To be answered at all, Mallory must call B itself, with A's ephemeral key.
        let mut stolen = Letter::parse(&run.pending());
        stolen.set("sender_id", Item::text("mallory"));
        stolen.set("recipient_id", Item::text("entity_b"));
        stolen.set_in_body("public_key", Item::bytes(mallory.key().as_bytes()));
        let stolen = stolen.signed(&mallory.signing);
        let (_, e2) = Node::new("entity_b", 2).answer(&stolen, &Expected::default()).unwrap();
        let mut answer = Letter::parse(&e2);
        answer.set("sender_id", Item::text("mallory"));
        answer.set("recipient_id", Item::text("entity_a"));
        answer.set_in_body("public_key", Item::bytes(mallory.key().as_bytes()));
        let answer = answer.signed(&mallory.signing);
        assert_eq!(run.refused(0, &answer).handshake(), HandshakeError::Transcript);
    }
}

/// From the third message on, the sender's name is settled.
#[test]
fn a_change_of_name_in_the_middle_is_refused() {
    for (kind, made) in crate::rig::all_stages().filter(|(_, made)| *made > 2) {
        let mut run = Run::at(kind, made);
        let forged = run.forged(|letter| letter.set("sender_id", Item::text("entity_c")));
        let error = run.refuses(&forged);
        assert!(matches!(error, HandshakeError::Address { .. }), "{kind} {made}: {error}");
        run.finish();
    }
}

/// Messages for somebody else are refused at every step, though their sender signed them.
#[test]
fn a_message_for_somebody_else_is_refused() {
    for (kind, made) in crate::rig::all_stages() {
        let mut run = Run::at(kind, made);
        let forged = run.forged(|letter| letter.set("recipient_id", Item::text("entity_c")));
        let error = run.refuses(&forged);
        assert!(matches!(error, HandshakeError::Address { .. }), "{kind} {made}: {error}");
        run.finish();
    }
}

/// A called one entity and another one answers, however well it proves to be that other one.
#[test]
fn an_answer_from_another_entity_than_the_one_called_is_refused() {
    for kind in KINDS {
        let mut run = Run::at(kind, 2);
        let forged = run.forged(|letter| letter.set("sender_id", Item::text("entity_c")));
        let error = run.refuses(&forged);
        assert!(matches!(error, HandshakeError::Address { .. }), "{error}");
        run.finish();
    }
}
