//! Messages sent back to whoever made them.

use peer_protocol::error::ErrorCode;
use peer_protocol::handshake::{Expected, HandshakeError};
use peer_protocol::session::SessionError;

use crate::rig::{Established, KINDS, Run, all_stages};
use crate::wire::{Item, Letter};

#[test]
fn reflected_first_message_is_refused() {
    for kind in KINDS {
        let mut run = Run::at(kind, 1);
        let e1 = run.pending();
        // As an answer to itself, and as a handshake that somebody else begins.
        assert_eq!(run.refused(0, &e1).code(), ErrorCode::InvalidState);
        let error = run.nodes[0].answer(&e1, &Expected::default()).unwrap_err().handshake();
        assert!(matches!(error, HandshakeError::Address { .. }), "{error}");
        // Even addressed to its own maker and signed by it.
        let forged = run.forged(|letter| letter.set("recipient_id", Item::text("entity_a")));
        let error = run.nodes[0].answer(&forged, &Expected::default()).unwrap_err().handshake();
        assert_eq!(error, HandshakeError::OwnKey);
        run.finish();
    }
}

#[test]
fn reflected_steps_are_refused() {
    for (kind, made) in all_stages() {
        let mut run = Run::at(kind, made);
        let own = run.pending();
        run.refused(run.sender(), &own);
        run.step();
        // Sent back at once, or when the answer to it is awaited.
        let maker = (made - 1) % 2;
        run.refused(maker, &own);
        run.finish();
    }
}

/// The two sides' MACs are made under different keys, so that none can be sent back as the other.
#[test]
fn reflected_confirmation_mac_is_refused() {
    for (kind, own, answer) in [
        (peer_protocol::handshake::HandshakeKind::SixStep, 4, 5),
        (peer_protocol::handshake::HandshakeKind::ThreeWay, 2, 3),
    ] {
        let mut run = Run::at(kind, answer);
        let mac = Letter::parse(&run.sent[own - 1]).body().get("mac").clone();
        let forged = run.forged(|letter| letter.set_in_body("mac", mac));
        assert_eq!(run.refuses(&forged), HandshakeError::Confirmation);
        run.finish();
    }
}

#[test]
fn reflected_records_are_refused() {
    for kind in KINDS {
        let mut session = Established::new(kind);
        for side in 0..2 {
            let own = session.seal(side, "back to sender");
            let error = session.refuses(side, &own);
            assert!(matches!(error, SessionError::Address { .. }), "{error}");
            // With the addresses exchanged it still is under the wrong direction's key.
            let record = session.record(side, 9, |header| {
                let (from, to) =
                    (header.get("sender_id").clone(), header.get("recipient_id").clone());
                header.set("sender_id", to);
                header.set("recipient_id", from);
            });
            let turned = record.signed(&session.nodes[1 - side].signing);
            assert_eq!(session.refuses(side, &turned), SessionError::Decryption);
        }
    }
}
