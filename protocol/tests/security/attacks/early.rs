//! Application data before the session is ready, and sessions that are none.

use peer_protocol::handshake::HandshakeKind::{SixStep, ThreeWay};

use crate::rig::{Ends, KINDS};
use crate::wire::Item;

/// The responder knows the session's id and keys already, but the initiator has not confirmed them.
#[test]
fn messages_before_ready_are_refused_by_the_responder() {
    for (kind, exchanges) in [(SixStep, 2), (ThreeWay, 1)] {
        let mut ends = Ends::new(kind);
        ends.links[0].open(ends.now);
        ends.carry(0, exchanges);
        let record = ends.record(0, 0).signed(&ends.signing[0]);
        assert_eq!(ends.refused(1, &record).0, "ENCRYPTION_NOT_READY");
        assert_eq!(ends.received(1), 0);
        // The handshake goes on, and the very same record is then welcome.
        ends.carry(0, 10);
        ends.ask(1, &record).expect("an answer");
        assert_eq!(ends.received(1), 1);
    }
}

/// The initiator has confirmed, but has no proof yet that the responder agrees.
#[test]
fn messages_before_ready_are_refused_by_the_initiator() {
    for (kind, exchanges) in [(SixStep, 2), (ThreeWay, 1)] {
        let mut ends = Ends::new(kind);
        ends.links[0].open(ends.now);
        ends.carry(0, exchanges);
        let record = ends.record(1, 5).signed(&ends.signing[1]);
        let (last, step) = ends.request(0);
        assert_eq!(ends.refused(0, &record).0, "ENCRYPTION_NOT_READY");
        assert_eq!(ends.received(0), 0);
        let answer = ends.ask(1, &step).unwrap();
        ends.links[0].handle_answer(last, answer, ends.now);
        ends.ask(0, &record).expect("an answer");
        assert_eq!(ends.received(0), 1);
    }
}

#[test]
fn messages_in_a_session_that_does_not_exist_are_refused() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        let mut id = ends.session_id();
        id[0] ^= 1;
        let mut other = ends.record(0, 1);
        other.set("session_id", Item::bytes(id));
        let mut none = ends.record(0, 1);
        none.0.remove("session_id");
        for letter in [other, none] {
            let (code, _) = ends.refused(1, &letter.signed(&ends.signing[0].clone()));
            assert_eq!(code, "SESSION_NOT_FOUND");
        }
        // Before any handshake there is no session either.
        let record = ends.record(0, 1).signed(&ends.signing[0]);
        assert_eq!(Ends::new(kind).refused(1, &record).0, "SESSION_NOT_FOUND");
        assert_eq!(ends.received(1), 0);
    }
}

/// Plaintext has no way in: a sealed envelope says that it is encrypted, and no other kind does.
#[test]
fn a_message_that_is_not_encrypted_is_refused() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        let mut plain = ends.record(0, 1);
        plain.0.remove("encrypted");
        let mut denied = ends.record(0, 1);
        denied.set("encrypted", Item::Bool(false));
        let mut claimed = crate::wire::Letter::parse(&ends.steps[0]);
        claimed.set("encrypted", Item::Bool(true));
        for letter in [plain, denied, claimed] {
            let (code, _) = ends.refused(1, &letter.signed(&ends.signing[0].clone()));
            assert_eq!(code, "ENCRYPTION_REQUIRED");
        }
        assert_eq!(ends.received(1), 0);
    }
}
