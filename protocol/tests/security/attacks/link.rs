//! Attacks on a link: what a carrier, or a peer, might do to handshakes and sessions from outside.

use std::time::Duration;

use peer_protocol::handshake::HandshakeKind;
use peer_protocol::link::{Ended, Event};

use crate::rig::{Ends, KINDS, Node};
use crate::wire::{Item, Letter, Map, error_letter};

/// An error as B would send it.
fn error(ends: &Ends, code: &str, in_reply_to: Option<&[u8]>, number: u8) -> Letter {
    let header = Map::from([
        ("sender_id", Item::text("entity_b")),
        ("recipient_id", Item::text("entity_a")),
        ("timestamp", Item::Uint(ends.now.timestamp.as_millis())),
        ("nonce", Item::bytes([number; 16])),
    ]);
    let mut body = Map::from([("code", Item::text(code)), ("detail", Item::text("so it is"))]);
    if let Some(nonce) = in_reply_to {
        body.set("in_reply_to", Item::bytes(nonce));
    }
    error_letter(header, &body)
}

fn lost(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::SessionEnded { why: Ended::Unknown, .. }))
}

#[test]
fn replayed_request_is_refused_and_delivers_nothing() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        ends.send(0);
        let (id, request) = ends.request(0);
        let answer = ends.ask(1, &request).unwrap();
        assert_eq!(ends.received(1), 1);
        for _ in 0..3 {
            assert_eq!(ends.refused(1, &request).0, "REPLAY_DETECTED");
        }
        assert_eq!(ends.received(1), 0);
        ends.links[0].handle_answer(id, answer, ends.now);
        assert!(ends.events(0).iter().any(|event| matches!(event, Event::Receipts { .. })));
    }
}

/// A message sent again in a record of its own is acknowledged, but handed over once.
#[test]
fn replayed_message_in_a_new_record_is_delivered_once() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        for sequence in 1..5 {
            let record = ends.record_of(0, sequence, 7).signed(&ends.signing[0]);
            let answer = Letter::parse(&ends.ask(1, &record).expect("an answer"));
            assert_eq!(answer.get("msg_type"), &Item::text("sealed"));
            assert_eq!(ends.received(1), usize::from(sequence == 1));
        }
    }
}

#[test]
fn replayed_handshake_steps_are_refused_and_the_session_stays() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        let requests: Vec<_> = ends.steps.iter().step_by(2).cloned().collect();
        for (number, step) in requests.iter().enumerate() {
            let code = ends.refused(1, step).0;
            let expected = if number == 0 { "REPLAY_DETECTED" } else { "INVALID_STATE" };
            assert_eq!(code, expected);
        }
        ends.send(0);
        ends.carry(0, 1);
        assert_eq!(ends.received(1), 1);
        assert!(!lost(&ends.events(0)));
    }
}

#[test]
fn reflected_requests_are_refused() {
    for kind in KINDS {
        let mut ends = Ends::new(kind);
        ends.links[0].open(ends.now);
        let (id, e1) = ends.request(0);
        // A waits for an answer to this very message; it is neither that nor somebody's beginning.
        let code = ends.refused(0, &e1).0;
        assert!(code == "HANDSHAKE_IN_PROGRESS" || code == "INVALID_SIGNATURE", "{code}");
        let answer = ends.ask(1, &e1).unwrap();
        ends.links[0].handle_answer(id, answer, ends.now);
        ends.carry(0, 10);

        let mut ends = Ends::ready(kind);
        ends.send(0);
        let (_, own) = ends.request(0);
        assert_eq!(ends.refused(0, &own).0, "INVALID_SIGNATURE");
        assert_eq!(ends.received(0), 0);
    }
}

/// The answer to a request, sent back to whoever gave it, and answers in place of requests.
#[test]
fn answers_are_no_requests() {
    for kind in KINDS {
        let mut ends = Ends::ready(kind);
        let answers: Vec<_> = ends.steps.iter().skip(1).step_by(2).cloned().collect();
        for answer in answers {
            let sealed = Letter::parse(&answer).0.find("encrypted").is_some();
            if !sealed {
                assert_eq!(ends.refused(0, &answer).0, "INVALID_STATE");
                assert_eq!(ends.refused(1, &answer).0, "INVALID_STATE");
            }
        }
        let refusal = error(&ends, "SESSION_NOT_FOUND", None, 9).signed(&ends.signing[1]);
        assert_eq!(ends.refused(0, &refusal).0, "INVALID_STATE");
        ends.send(0);
        ends.carry(0, 1);
        assert_eq!(ends.received(1), 1);
    }
}

/// The answer to a sealed request, given in place of the answer to another.
#[test]
fn replayed_answer_is_refused_and_the_message_is_sent_again() {
    let mut ends = Ends::ready(HandshakeKind::SixStep);
    ends.send(0);
    let (id, request) = ends.request(0);
    let answer = ends.ask(1, &request).unwrap();
    ends.links[0].handle_answer(id, answer.clone(), ends.now);
    ends.events(0);
    ends.send(0);
    let (id, _) = ends.request(0);
    ends.links[0].handle_answer(id, answer, ends.now);
    assert!(ends.events(0).is_empty(), "nothing is acknowledged");
    let (_, again) = ends.request(0);
    ends.ask(1, &again).expect("an answer");
}

/// Errors that nobody signed, or that Mallory signed, end no session; those of the peer do.
#[test]
fn forged_error_does_not_end_a_session() {
    let mallory = Node::new("entity_b", 66).signing;
    for kind in KINDS {
        for honest in [false, true] {
            let mut ends = Ends::ready(kind);
            ends.send(0);
            let (id, request) = ends.request(0);
            let nonce = Letter::parse(&request).get("nonce").as_bytes().to_vec();
            let letter = error(&ends, "SESSION_NOT_FOUND", Some(&nonce), 9);
            let key = if honest { &ends.signing[1] } else { &mallory };
            ends.links[0].handle_answer(id, letter.signed(key), ends.now);
            assert_eq!(lost(&ends.events(0)), honest);
            assert_eq!(ends.links[0].queued(), 1, "the message is not lost");
        }
    }
}

/// Errors of the peer that are about another record, for somebody else, old, or replayed.
#[test]
fn misplaced_error_does_not_end_a_session() {
    type Spoil = fn(&mut Letter);
    let spoils: [Spoil; 4] = [
        |letter| letter.set_in_body("in_reply_to", Item::bytes([1; 16])),
        |letter| {
            let mut body = letter.body();
            body.remove("in_reply_to");
            letter.set_body(&body);
        },
        |letter| letter.set("recipient_id", Item::text("entity_c")),
        |letter| letter.set("timestamp", Item::Uint(1)),
    ];
    for spoil in spoils {
        let mut ends = Ends::ready(HandshakeKind::SixStep);
        ends.send(0);
        let (id, request) = ends.request(0);
        let nonce = Letter::parse(&request).get("nonce").as_bytes().to_vec();
        let mut letter = error(&ends, "SESSION_NOT_FOUND", Some(&nonce), 9);
        spoil(&mut letter);
        let signed = letter.signed(&ends.signing[1]);
        ends.links[0].handle_answer(id, signed, ends.now);
        assert!(!lost(&ends.events(0)));
        assert_eq!(ends.links[0].queued(), 1, "the message is not lost");
    }
}

/// An error whose nonce has been used does not end a handshake for good.
#[test]
fn replayed_error_does_not_end_a_handshake_for_good() {
    let mut ends = Ends::new(HandshakeKind::SixStep);
    ends.links[0].open(ends.now);
    let fatal = |events: &[Event]| {
        events.iter().any(|event| matches!(event, Event::HandshakeFailed { fatal: true, .. }))
    };
    let refusal = error(&ends, "INVALID_SIGNATURE", None, 9).signed(&ends.signing[1]);
    let (id, _) = ends.request(0);
    ends.links[0].handle_answer(id, refusal.clone(), ends.now);
    assert!(fatal(&ends.events(0)), "the first time it is the peer's word");
    ends.links[0].open(ends.now);
    ends.pass(Duration::from_secs(1));
    let (id, _) = ends.request(0);
    ends.links[0].handle_answer(id, refusal, ends.now);
    let events = ends.events(0);
    assert!(!fatal(&events));
    // It counts as no answer at all, not as another word of the peer's.
    let unanswered = |event: &Event| match event {
        Event::HandshakeFailed { detail, .. } => detail == "the peer did not answer",
        _ => false,
    };
    assert!(events.iter().any(unanswered), "{events:?}");
}

/// A genuine error of the peer about something else, put in place of an answer by whoever carries it.
#[test]
fn misplaced_error_does_not_end_a_handshake_for_good() {
    let mut ends = Ends::new(HandshakeKind::SixStep);
    ends.links[0].open(ends.now);
    let (id, _) = ends.request(0);
    let about_another = error(&ends, "INVALID_SIGNATURE", Some(&[1; 16]), 9);
    ends.links[0].handle_answer(id, about_another.signed(&ends.signing[1]), ends.now);
    let fatal = |event: &Event| matches!(event, Event::HandshakeFailed { fatal: true, .. });
    assert!(!ends.events(0).iter().any(fatal));

    ends.pass(Duration::from_secs(1));
    let (id, request) = ends.request(0);
    let nonce = Letter::parse(&request).get("nonce").as_bytes().to_vec();
    let about_this = error(&ends, "INVALID_SIGNATURE", Some(&nonce), 10);
    ends.links[0].handle_answer(id, about_this.signed(&ends.signing[1]), ends.now);
    assert!(ends.events(0).iter().any(fatal), "the same about this step is the peer's word");
}

/// A handshake under way is not disturbed by another one of the same peer.
#[test]
fn a_second_handshake_is_refused_while_one_is_in_progress() {
    for kind in KINDS {
        let mut ends = Ends::new(kind);
        ends.links[0].open(ends.now);
        ends.carry(0, 1);
        let mut again = crate::rig::Run::new(kind);
        again.nodes[0].rng = Node::new("x", 50).rng;
        again.step();
        assert_eq!(ends.refused(1, &again.pending()).0, "HANDSHAKE_IN_PROGRESS");
        ends.carry(0, 10);
        let ready = |event: &Event| matches!(event, Event::SessionReady(_));
        assert_eq!(ends.events(1).iter().filter(|event| ready(event)).count(), 1);
    }
}

/// Another entity's handshake over this connection: the key is not the connection's.
#[test]
fn a_handshake_under_another_key_than_the_connections_is_refused() {
    for kind in KINDS {
        let mut ends = Ends::new(kind);
        let nodes = [Node::new("entity_c", 66), Node::new("entity_b", 2)];
        let run = crate::rig::Run::between(kind, nodes).to(1);
        let (code, detail) = ends.refused(1, &run.pending());
        assert_eq!(code, "INVALID_SIGNATURE");
        assert!(detail.contains(&run.nodes[0].fingerprint().to_string()), "{detail}");
        ends.links[0].open(ends.now);
        ends.carry(0, 10);
        assert!(ends.events(1).iter().any(|event| matches!(event, Event::SessionReady(_))));
    }
}

/// Garbage costs its sender an error, and nobody anything else.
#[test]
fn garbage_is_answered_with_a_code_and_disturbs_nothing() {
    for kind in KINDS {
        let mut ends = Ends::new(kind);
        ends.links[0].open(ends.now);
        ends.carry(0, 1);
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0xff; 100], &[0xa0], b"{\"a\":1}"] {
            assert_eq!(ends.refused(1, garbage).0, "INVALID_VERSION");
        }
        let (code, detail) = ends.refused(1, &vec![0; 2 << 20]);
        assert_eq!(code, "INVALID_VERSION");
        assert!(detail.contains("2097152") && detail.contains("1064960"), "{detail}");
        ends.carry(0, 10);
        assert!(ends.events(1).iter().any(|event| matches!(event, Event::SessionReady(_))));
    }
}
