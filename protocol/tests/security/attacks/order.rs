//! Messages out of their order.

use peer_protocol::handshake::HandshakeError;

use crate::rig::{KINDS, Run, all_stages, steps};
use crate::wire::Item;

/// Every message of the very same handshake, earlier or later, at every stage and to either side.
/// That one side is far ahead is no obstacle: with the same randomness a twin has said it all before.
#[test]
fn reordered_steps_are_refused_and_the_handshake_goes_on() {
    for (kind, made) in all_stages() {
        let twin = Run::at(kind, steps(kind));
        let mut run = Run::at(kind, made);
        assert_eq!(run.sent[..], twin.sent[..made], "the twin says the same");
        for side in 0..2 {
            for (index, message) in twin.sent.iter().enumerate() {
                // What comes next for this side is no reordering; nor is the first message to a
                // responder that has nothing yet.
                let next = if side == run.receiver() { made - 1 } else { made };
                if index != next {
                    run.refused(side, message);
                }
            }
        }
        run.finish();
    }
}

/// A step skipped: the message after next, although everything else about it is as it should be.
#[test]
fn a_sequence_number_of_another_step_is_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        for number in (0..8).chain([u64::MAX]).filter(|number| *number != made as u64 - 1) {
            let forged = run.forged(|letter| letter.set("sequence_num", Item::Uint(number)));
            let expected = made as u64 - 1;
            let found = number;
            assert_eq!(run.refuses(&forged), HandshakeError::Sequence { found, expected });
        }
        run.finish();
    }
}

/// Steps of two handshakes at once, between the same two entities, do not mix.
#[test]
fn steps_of_two_handshakes_do_not_mix() {
    for kind in KINDS {
        for made in 2..=steps(kind) {
            let mut other = Run::new(kind);
            // Same entities, other randomness.
            other.nodes.iter_mut().for_each(|node| {
                use rand_core::Rng as _;
                node.rng.next_u64();
            });
            let other = other.to(made);
            let mut run = Run::at(kind, made);
            assert_ne!(run.pending(), other.pending());
            let error = run.refuses(&other.pending());
            assert!(
                matches!(error, HandshakeError::Transcript | HandshakeError::Session { .. }),
                "{kind} {made}: {error}"
            );
            run.finish();
        }
    }
}
