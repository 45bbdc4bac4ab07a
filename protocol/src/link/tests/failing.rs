//! Handshakes that come to nothing: what the owner is told, and when the next one begins.

use super::*;
use crate::delivery::{Order, Resume};
use crate::handshake::ThreeWayState;
use crate::id::StreamId;
use crate::link::SendFailure;
use crate::message::StatusReport;

const MILLI: Duration = Duration::from_millis(1);

/// A handshake that failed.
type Failed = (Role, Phase, ErrorCode, bool);

impl Pair {
    /// The requests of a side, which nobody carries.
    fn uncarried(&mut self, side: usize) -> Vec<(RequestId, Vec<u8>)> {
        let request = |transmit| match transmit {
            Transmit::Request { id, envelope } => (id, envelope),
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| self.links[side].poll_transmit()).map(request).collect()
    }

    fn failed(&mut self, side: usize) -> Vec<Failed> {
        let failed = |event| match event {
            Event::HandshakeFailed { role, phase, code, fatal, .. } => {
                Some((role, phase, code, fatal))
            }
            _ => None,
        };
        std::iter::from_fn(|| self.links[side].poll_event()).filter_map(failed).collect()
    }

    /// What side 1 answers to a request of side 0.
    fn answer_to(&mut self, envelope: Vec<u8>) -> Vec<u8> {
        let now = self.clock(1);
        self.links[1].handle_request(ExchangeId(0), envelope, now);
        match self.links[1].poll_transmit() {
            Some(Transmit::Answer { envelope, .. }) => envelope,
            other => panic!("{other:?}"),
        }
    }

    /// Side 1 refuses what side 0 asks for now.
    fn refused(&mut self, code: ErrorCode) {
        let (id, envelope) = self.uncarried(0).remove(0);
        let asked = Envelope::decode(envelope).unwrap();
        self.links[1].refuse(ExchangeId(0), Some(&asked), code, "no", self.now);
        let Some(Transmit::Answer { envelope, .. }) = self.links[1].poll_transmit() else {
            panic!("nothing was refused");
        };
        self.links[0].handle_answer(id, envelope, self.now);
    }
}

fn three_way(config: &mut LinkConfig) {
    config.preferred = HandshakeKind::ThreeWay;
    config.handshake.accept_three_way = true;
}

#[test]
fn a_handshake_that_is_left_alone_ends_with_its_time_on_both_sides() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    let (_, init) = pair.uncarried(0).remove(0);
    pair.answer_to(init);
    let end = pair.now + pair.links[0].config.handshake.timeout;
    for (side, role) in [(0, Role::Initiator), (1, Role::Responder)] {
        let under_way = pair.links[side].phase(pair.now.instant);
        assert_ne!(under_way, Phase::SixStep(SessionState::Initial));
        let due = pair.links[side].next_handshake_tick(pair.now.instant);
        assert_eq!(due, Some((end + MILLI).instant));
        pair.links[side].handle_timeout(end);
        assert_eq!(pair.failed(side), []);
        assert_eq!(pair.links[side].phase(end.instant), under_way);
        pair.links[side].handle_timeout(end + MILLI);
        let expired = Phase::SixStep(SessionState::Expired);
        assert_eq!(pair.failed(side), [(role, expired, ErrorCode::SessionExpired, false)]);
        assert_eq!(pair.links[side].phase(end.instant), Phase::SixStep(SessionState::Initial));
        assert!(!pair.links[side].has_session());
    }
}

#[test]
fn a_session_that_the_peer_never_confirms_is_none() {
    let closed = Phase::ThreeWay(ThreeWayState::Closed);
    for lost in [true, false] {
        let mut pair = Pair::new(three_way);
        pair.links[0].open(pair.now);
        let (id, init) = pair.uncarried(0).remove(0);
        let answer = pair.answer_to(init);
        pair.links[0].handle_answer(id, answer, pair.now);
        let (confirm, _) = pair.uncarried(0).remove(0);
        let code = if lost {
            pair.links[0].handle_failure(confirm, pair.now);
            ErrorCode::InvalidState
        } else {
            pair.now = pair.now + pair.links[0].config.handshake.timeout;
            pair.links[0].handle_timeout(pair.now);
            assert_eq!(pair.failed(0), []);
            pair.now = pair.now + MILLI;
            pair.links[0].handle_timeout(pair.now);
            ErrorCode::SessionExpired
        };
        assert_eq!(pair.failed(0), [(Role::Initiator, closed, code, false)]);
        assert!(!pair.links[0].has_session());
        // The next one begins a little later, not at once.
        assert_eq!(pair.uncarried(0), []);
        let pause = pair.links[0].poll_timeout(pair.now.instant).unwrap().since(pair.now.instant);
        assert!(pause >= 100 * MILLI && pause <= 150 * MILLI, "{pause:?}");
    }
}

/// The pauses double from 100 ms to 10 s, and up to half of each is added.
#[test]
fn attempts_are_made_later_and_later() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    for attempt in 0..10 {
        let (id, _) = pair.uncarried(0).remove(0);
        pair.links[0].handle_failure(id, pair.now);
        assert_eq!(pair.failed(0).len(), 1);
        let next = pair.links[0].poll_timeout(pair.now.instant).unwrap();
        let pause = next.since(pair.now.instant);
        let least = (100 * MILLI * (1 << attempt)).min(Duration::from_secs(10));
        assert!(pause >= least && pause <= least * 3 / 2, "{pause:?} after {attempt}");
        pair.now = pair.now + (pause - MILLI);
        pair.links[0].handle_timeout(pair.now);
        assert_eq!(pair.uncarried(0), []);
        pair.now = pair.now + MILLI;
        pair.links[0].handle_timeout(pair.now);
    }
}

#[test]
fn a_peer_without_the_three_way_handshake_is_asked_for_the_other_at_once_and_only_once() {
    let mut pair = Pair::new(three_way);
    pair.links[0].open(pair.now);
    pair.refused(ErrorCode::InvalidState);
    let closed = Phase::ThreeWay(ThreeWayState::Closed);
    assert_eq!(pair.failed(0), [(Role::Initiator, closed, ErrorCode::InvalidState, false)]);
    pair.refused(ErrorCode::InvalidState);
    assert_eq!(pair.failed(0).len(), 1);
    assert_eq!(pair.uncarried(0), [], "not again at once");
}

/// What the peer would say again: nothing is tried before the owner asks for it, but for ordered messages,
/// which outlive that.
#[test]
fn after_a_refusal_for_good_only_what_is_ordered_is_tried_again_and_not_soon() {
    for (code, fatal) in [(ErrorCode::InvalidSignature, true), (ErrorCode::SequenceError, false)] {
        for ordered in [false, true] {
            let mut pair = Pair::new(|_| {});
            let volatile = pair.send(0, task("hello"), None);
            if ordered {
                pair.links[0].resume(&Resume::default(), pair.now);
                let body = StatusReport::default();
                let message = Message::new(&mut pair.ids, &body.into(), None).unwrap();
                let stream = StreamId::random(&mut pair.ids);
                let order = Some(Order { after: None, number: 0, stream });
                pair.links[0].hand(vec![Message { order, ..message }], pair.now);
            }
            pair.refused(code);
            let events: Vec<_> = std::iter::from_fn(|| pair.links[0].poll_event()).collect();
            let gone = events.iter().any(|event| {
                matches!(event, Event::Failed { id, why: SendFailure::Refused { code: told, .. } }
                    if *id == volatile && *told == code)
            });
            assert_eq!(gone, fatal);
            let next = pair.links[0].poll_timeout(pair.now.instant);
            let pause = next.map(|next| next.since(pair.now.instant));
            match (fatal, ordered, pause) {
                (true, false, None) => {}
                (true, true, Some(pause)) => {
                    assert!(pause >= Duration::from_secs(60), "{pause:?}");
                    // Somebody wants to send something now: that is tried at once.
                    pair.send(0, task("now"), None);
                    assert_eq!(pair.uncarried(0).len(), 1);
                }
                (false, _, Some(pause)) => assert!(pause <= 150 * MILLI, "{pause:?}"),
                other => panic!("{code:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn while_a_session_serves_a_refused_renewal_takes_nothing_back() {
    let mut pair = Pair::new(|config| {
        config.handshake.session_lifetime = Duration::from_secs(30);
    });
    pair.links[0].open(pair.now);
    pair.settle();
    assert!(pair.links.iter().all(Link::has_session));
    let ready = Phase::SixStep(SessionState::Ready);
    assert_eq!(pair.links[0].phase(pair.now.instant), ready);
    pair.now = pair.now + Duration::from_secs(25);
    let message = Message::new(&mut pair.ids, &task("hello").into(), None).unwrap();
    let (id, deadline) = (message.id, pair.now.instant + Duration::from_secs(60));
    pair.links[0].open(pair.now);
    pair.links[0].handle_timeout(pair.now);
    pair.links[0].queue(message, deadline).unwrap();
    pair.refused(ErrorCode::InvalidSignature);
    let events: Vec<_> = std::iter::from_fn(|| pair.links[0].poll_event()).collect();
    assert!(events.iter().any(|event| matches!(event, Event::HandshakeFailed { fatal: true, .. })));
    assert!(!events.iter().any(|event| matches!(event, Event::Failed { id: it, .. } if *it == id)));
    assert_eq!(pair.links[0].phase(pair.now.instant), ready);
    let late = pair.now.instant + Duration::from_secs(60);
    assert_eq!(pair.links[0].phase(late), Phase::SixStep(SessionState::Expired));
}

/// Only what the peer signed, and would say again, is for good.
#[test]
fn trust_is_for_good_and_an_old_answer_is_not() {
    let mut pair = Pair::new(|_| {});
    pair.pin(0, "entity_b", 9);
    pair.links[0].open(pair.now);
    let (id, init) = pair.uncarried(0).remove(0);
    let answer = pair.answer_to(init);
    pair.links[0].handle_answer(id, answer, pair.now);
    let failed = pair.failed(0);
    assert!(matches!(failed[..], [(Role::Initiator, _, ErrorCode::InvalidSignature, true)]));

    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    let (first, init) = pair.uncarried(0).remove(0);
    let old = pair.answer_to(init);
    pair.links[0].handle_failure(first, pair.now);
    assert_eq!(pair.failed(0).len(), 1);
    pair.now.instant = pair.links[0].poll_timeout(pair.now.instant).unwrap();
    pair.links[0].handle_timeout(pair.now);
    let (second, _) = pair.uncarried(0).remove(0);
    pair.links[0].handle_answer(second, old, pair.now);
    let failed = pair.failed(0);
    assert!(matches!(failed[..], [(Role::Initiator, _, _, false)]), "{failed:?}");
}

#[test]
fn the_owner_is_reminded_while_a_connection_is_needed() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].disconnected(pair.now);
    assert_eq!(pair.links[0].poll_timeout(pair.now.instant), None, "nobody needs it");
    pair.links[0].open(pair.now);
    let asks = |pair: &mut Pair| {
        pair.links[0].handle_timeout(pair.now);
        let events = std::iter::from_fn(|| pair.links[0].poll_event());
        events.filter(|event| matches!(event, Event::NeedConnection)).count()
    };
    assert_eq!(asks(&mut pair), 1);
    for _ in 0..3 {
        let next = pair.links[0].poll_timeout(pair.now.instant);
        assert_eq!(next, Some(pair.now.instant + Duration::from_secs(2)));
        pair.now = pair.now + (Duration::from_secs(2) - MILLI);
        assert_eq!(asks(&mut pair), 0);
        pair.now = pair.now + MILLI;
        assert_eq!(asks(&mut pair), 1);
    }
    pair.links[0].connected(pair.now);
    let (id, _) = pair.uncarried(0).remove(0);
    assert!(!pair.links[0].is_sealed(id), "it is the step of a handshake");
}

#[test]
fn an_idle_connection_is_no_dead_one() {
    let mut pair = Pair::new(|_| {});
    pair.send(0, task("hello"), None);
    pair.pass(Duration::from_secs(60));
    assert!(!pair.events[0].iter().any(|event| matches!(event, Event::Unresponsive)));
    pair.send(0, task("hello"), None);
    let (id, _) = pair.uncarried(0).remove(0);
    assert!(pair.links[0].is_sealed(id));
}

#[test]
fn an_answer_to_an_attempt_that_was_given_up_says_nothing() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    let (first, init) = pair.uncarried(0).remove(0);
    let late = pair.answer_to(init);
    pair.now = pair.now + pair.links[0].config.handshake.timeout + MILLI;
    pair.links[0].handle_timeout(pair.now);
    assert_eq!(pair.failed(0).len(), 1);
    pair.now = pair.now + Duration::from_secs(1);
    pair.links[0].handle_timeout(pair.now);
    let (second, _) = pair.uncarried(0).remove(0);
    pair.links[0].handle_answer(first, late.clone(), pair.now);
    assert_eq!((pair.failed(0), pair.uncarried(0)), (vec![], vec![]));
    pair.links[0].handle_answer(second, late, pair.now);
    assert_eq!(pair.failed(0).len(), 1, "it is none to this one");
}

/// A first message that is no good is told to the owner of the one who got it; there never was a handshake.
#[test]
fn a_first_message_that_is_refused_is_told() {
    let mut pair = Pair::new(|_| {});
    pair.ahead = Duration::from_secs(600);
    pair.links[0].open(pair.now);
    let (_, init) = pair.uncarried(0).remove(0);
    pair.answer_to(init);
    let error = Phase::SixStep(SessionState::Error);
    let failed = pair.failed(1);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1, failed[0].3), (Role::Responder, error, false));
    let initial = Phase::SixStep(SessionState::Initial);
    assert_eq!(pair.links[1].phase(pair.now.instant), initial);
}
