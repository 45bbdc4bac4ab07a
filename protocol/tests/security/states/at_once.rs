//! Handshakes that both sides begin (`docs/PROTOCOL.md` §3.9, a second handshake).

use peer_protocol::handshake::HandshakeKind;

use crate::rig::{Ends, KINDS};
use crate::wire::Letter;

/// Two that have both begun; nothing is delivered yet. The one with the larger key, the one with the
/// smaller, and the first message of each.
fn begun(kind: HandshakeKind) -> (Ends, [(usize, Vec<u8>); 2]) {
    let mut ends = Ends::new(kind);
    let first = [0, 1].map(|side| {
        ends.links[side].open(ends.now);
        (side, ends.request(side).1)
    });
    let [a, b] = &ends.signing;
    let a_is_larger = a.verifying_key().to_bytes() > b.verifying_key().to_bytes();
    let [a, b] = first;
    (ends, if a_is_larger { [a, b] } else { [b, a] })
}

fn kind_of(answer: &[u8]) -> String {
    Letter::parse(answer).get("msg_type").as_text().to_owned()
}

/// Without any pause: the larger key's side drops its own, the smaller key's side refuses the other's.
#[test]
fn of_two_handshakes_begun_at_once_the_smaller_keys_goes_on() {
    for kind in KINDS {
        let (mut ends, [(larger, of_larger), (smaller, of_smaller)]) = begun(kind);
        let (code, _) = ends.refused(smaller, &of_larger);
        assert_eq!(code, "HANDSHAKE_IN_PROGRESS", "{kind}");
        let answer = ends.ask(larger, &of_smaller).expect("an answer");
        let second = match kind {
            HandshakeKind::SixStep => "handshake_init_ack",
            HandshakeKind::ThreeWay => "handshake_ack",
        };
        assert_eq!(kind_of(&answer), second);
    }
}

/// Once something was heard the own handshake stands, whatever the keys are.
#[test]
fn a_handshake_that_is_further_along_gives_way_to_none() {
    let (_, [(larger, of_larger), (smaller, of_smaller)]) = begun(HandshakeKind::SixStep);
    // The same two; but the smaller key's side answered before it began its own.
    let mut ends = Ends::new(HandshakeKind::SixStep);
    ends.links[larger].open(ends.now);
    let (id, first) = ends.request(larger);
    assert_eq!(first, of_larger);
    let ack = ends.ask(smaller, &first).expect("an answer");
    ends.links[larger].handle_answer(id, ack, ends.now);
    let (_, third) = ends.request(larger);
    assert_eq!(kind_of(&third), "challenge_response");
    let (code, _) = ends.refused(larger, &of_smaller);
    assert_eq!(code, "HANDSHAKE_IN_PROGRESS");
}
