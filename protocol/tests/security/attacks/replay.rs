//! Replayed messages.

use std::time::Duration;

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::HandshakeKind::{SixStep, ThreeWay};
use peer_protocol::handshake::{Expected, HandshakeError};
use peer_protocol::replay::ReplayError;

use crate::rig::{Established, KINDS, Node, Run, all_stages};
use crate::wire::{Item, Letter};

const REPEATED: HandshakeError = HandshakeError::Replay(ReplayError::Repeated);

#[test]
fn a_step_sent_twice_counts_once() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let (side, message) = (run.receiver(), run.pending());
        run.step();
        let refusal = run.refused(side, &message);
        assert_eq!(refusal.code(), ErrorCode::InvalidState, "{kind} {made}");
        run.finish();
    }
}

#[test]
fn the_first_message_twice_does_not_begin_two_handshakes() {
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        let (e1, expected) = (run.pending(), run.expected[1].clone());
        run.step();
        let refusal = run.nodes[1].answer(&e1, &expected).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::ReplayDetected);
        assert_eq!(refusal.handshake(), REPEATED);
        run.finish();
    }
}

/// Every message of a finished handshake, replayed where the next handshake waits for its like.
#[test]
fn a_step_replayed_into_a_new_handshake_is_refused() {
    for (kind, made) in all_stages() {
        let old = Established::new(kind);
        let message = old.sent[made - 1].clone();
        let mut run = old.again().to(made);
        let error = run.refuses(&message);
        // Later messages name their session, which is looked at even before the nonce.
        if matches!((kind, made), (SixStep, 5 | 6) | (ThreeWay, 3)) {
            assert!(matches!(error, HandshakeError::Session { .. }), "{kind} {made}: {error}");
        } else {
            assert_eq!(error, REPEATED, "{kind} {made}");
        }
        run.finish();
    }
}

/// The same, at a node that has lost its memory and so knows none of the nonces.
#[test]
fn a_step_replayed_into_a_new_handshake_is_refused_even_without_memory_of_it() {
    for (kind, made) in all_stages().filter(|(_, made)| *made > 1) {
        let old = Established::new(kind);
        let message = old.sent[made - 1].clone();
        let mut run = old.again();
        for node in &mut run.nodes {
            node.replay = Node::new("nobody", 9).replay;
        }
        let mut run = run.to(made);
        let error = run.refuses(&message);
        assert!(
            matches!(error, HandshakeError::Transcript | HandshakeError::Session { .. }),
            "{kind} {made}: {error}"
        );
        run.finish();
    }
}

/// A node that restarted answers an old first message, but the old third message does not fit.
#[test]
fn a_whole_handshake_replayed_to_a_restarted_responder_goes_nowhere() {
    for kind in KINDS {
        let old = Established::new(kind);
        let mut restarted = Node::new("entity_b", 2);
        restarted.rng = Node::new("nobody", 9).rng;
        let (mut machine, _) = restarted.answer(&old.sent[0], &Expected::default()).unwrap();
        for message in old.sent.iter().skip(2).step_by(2) {
            let error = restarted.go_on(&mut machine, message).unwrap_err().handshake();
            assert!(
                matches!(
                    error,
                    HandshakeError::Transcript
                        | HandshakeError::Session { .. }
                        | HandshakeError::State(_)
                ),
                "{kind}: {error}"
            );
        }
    }
}

#[test]
fn the_first_message_replayed_later_is_refused_for_good() {
    for kind in KINDS {
        let mut old = Established::new(kind);
        let e1 = old.sent[0].clone();
        let mut codes = Vec::new();
        for seconds in [1, 58, 2, 60, 180, 3600] {
            old.nodes[1].pass(Duration::from_secs(seconds));
            let refusal = old.nodes[1].answer(&e1, &Expected::default()).unwrap_err();
            codes.push(refusal.code());
        }
        assert_eq!(codes, [ErrorCode::ReplayDetected; 6]);
    }
}

/// A nonce that any step has used serves for nothing else, even if its owner signs it again.
#[test]
fn the_nonce_of_every_step_is_spent() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let (sender, receiver) = (run.sender(), run.receiver());
        let nonce = Letter::parse(&run.pending()).get("nonce").clone();
        run.step();
        let mut twin = Run::new(SixStep);
        twin.nodes.swap(0, sender);
        twin.expected[0].entity = Some(twin.nodes[1].entity());
        let twin = twin.to(1);
        let spent = twin.forged(|letter| letter.set("nonce", nonce));
        let fresh = twin.forged(|letter| letter.set("nonce", Item::bytes([7; 16])));
        let node = &mut run.nodes[receiver];
        let refusal = node.answer(&spent, &Expected::default()).unwrap_err();
        assert_eq!(refusal.handshake(), REPEATED, "{kind} {made}");
        assert!(node.answer(&fresh, &Expected::default()).is_ok());
    }
}
