//! What a peer may cost this entity.

use super::*;

#[test]
fn an_answer_to_nothing_is_refused_by_name() {
    let mut pair = Pair::new(|_| {});
    let asked = MessageId::random(&mut pair.ids);
    let unsolicited = pair.send(0, result("nobody asked"), None);
    let named = pair.send(0, result("somebody asked"), Some(asked));
    pair.settle();
    assert_eq!(pair.messages(1).iter().map(|message| message.id).collect::<Vec<_>>(), [named]);
    let refused = pair.events[0].iter().find_map(|event| match event {
        Event::Failed { id, why: SendFailure::Refused { code, .. } } => Some((*id, *code)),
        _ => None,
    });
    assert_eq!(refused, Some((unsolicited, ErrorCode::InvalidState)));
    for kind in MessageKind::ALL {
        assert!(!kind.is_answer() || kind.rate_class().is_none(), "{kind} would be free");
    }
}

/// One request of side 0 that carries nothing but an empty receipt; whether it was answered.
fn ask_nothing(pair: &mut Pair) -> Option<Vec<u8>> {
    let nothing = Receipt { status: ReceiptStatus::Received, message_ids: Vec::new() };
    let message = Message::new(&mut pair.ids, &Body::from(nothing), None).unwrap();
    pair.links[0].send_now(vec![message], pair.now);
    let Some(Transmit::Request { id, envelope }) = pair.links[0].poll_transmit() else {
        panic!("no request");
    };
    pair.links[0].in_flight.remove(&id);
    pair.links[1].handle_request(ExchangeId(0), envelope, pair.now);
    match pair.links[1].poll_transmit() {
        Some(Transmit::Answer { envelope, .. }) => Some(envelope),
        Some(Transmit::Drop { .. }) => None,
        other => panic!("neither answered nor dropped: {other:?}"),
    }
}

#[test]
fn even_requests_that_cost_nothing_are_counted() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let (mut sealed, mut refused, mut dropped) = (0, 0, 0);
    for _ in 0..2_600 {
        match ask_nothing(&mut pair).map(|answer| Envelope::decode(answer).unwrap()) {
            Some(answer) if answer.header().kind == EnvelopeKind::Sealed => sealed += 1,
            Some(answer) => {
                let report: ErrorReport = crate::cbor::decode(answer.payload()).unwrap();
                assert_eq!(report.code, ErrorCode::RateLimited);
                assert!(report.retry_after_ms.is_some());
                refused += 1;
            }
            None => dropped += 1,
        }
    }
    assert_eq!((sealed, refused, dropped), (2_400, 60, 140));
    pair.now = pair.now + Duration::from_secs(1);
    assert!(ask_nothing(&mut pair).is_some());
}

#[test]
fn pinned_peers_may_ask_more() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    pair.pin(1, "entity_a", 1);
    assert!((0..3_000).all(|_| ask_nothing(&mut pair).is_some()));
}

#[test]
fn a_flood_over_the_rate_is_answered_sparingly() {
    let mut pair = Pair::new(|config| config.rate.task = Quota { per_minute: 1, burst: 1 });
    pair.links[0].open(pair.now);
    pair.settle();
    let mut answered = 0;
    for _ in 0..200 {
        let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
        pair.links[0].send_now(vec![message], pair.now);
        let Some(Transmit::Request { id, envelope }) = pair.links[0].poll_transmit() else {
            panic!("no request");
        };
        pair.links[0].in_flight.remove(&id);
        pair.links[1].handle_request(ExchangeId(0), envelope, pair.now);
        pair.now = pair.now + Duration::from_millis(1);
        pair.links[1].tick_held(pair.now + Duration::from_secs(1));
        answered +=
            usize::from(matches!(pair.links[1].poll_transmit(), Some(Transmit::Answer { .. })));
    }
    assert_eq!(answered, 61, "the task that was taken, and the burst of refusals");
}

#[test]
fn a_name_pinned_to_another_key_brings_its_old_session_no_privilege() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    pair.pin(1, "entity_a", 77);
    for _ in 0..200 {
        pair.send(0, task("from the wrong key"), None);
    }
    pair.pass(Duration::from_millis(500));
    assert_eq!(pair.messages(1).len(), 60, "the burst of whoever is not pinned");
}

/// A task of a mebibyte, as long as may be.
fn long() -> Task<'static> {
    Task { content: Cow::Owned(vec![7; 1 << 20]), ..Task::default() }
}

/// Bytes of envelopes that side 0 gave to its carrier, which loses them.
fn sent(pair: &mut Pair) -> usize {
    let mut sent = 0;
    while let Some(transmit) = pair.links[0].poll_transmit() {
        sent += match transmit {
            Transmit::Request { envelope, .. } | Transmit::Answer { envelope, .. } => {
                envelope.len()
            }
            Transmit::Drop { .. } => 0,
        };
    }
    sent
}

#[test]
fn long_messages_for_whoever_is_not_pinned_lie_in_few_bytes() {
    for pinned in [false, true] {
        let mut pair = Pair::new(|_| {});
        pair.links[0].open(pair.now);
        pair.settle();
        if pinned {
            pair.pin(0, "entity_b", 2);
        }
        let mut queued = 0;
        for _ in 0..16 {
            let message = Message::new(&mut pair.ids, &long().into(), None).unwrap();
            let deadline = pair.now.instant + Duration::from_secs(60);
            queued += usize::from(pair.links[0].queue(message, deadline).is_ok());
        }
        assert_eq!(queued, if pinned { 15 } else { 3 }, "beside what a body takes besides");
        pair.links[0].flush(pair.now);
        let sent = sent(&mut pair);
        assert!(if pinned { sent > 14 << 20 } else { sent < 3 << 20 }, "{sent} in flight");
    }
}

#[test]
fn nothing_long_rides_in_answers_to_whoever_is_not_pinned() {
    for pinned in [false, true] {
        let mut pair = Pair::new(|_| {});
        // The side that opens a session is the one that may send at once.
        pair.links[1].open(pair.now);
        pair.settle();
        if pinned {
            pair.pin(0, "entity_b", 2);
        }
        // Eight questions are there, and their answers are held back for what may come.
        for exchange in 0..8 {
            let message = Message::new(&mut pair.ids, &task("?").into(), None).unwrap();
            pair.links[1].send_now(vec![message], pair.now);
            let Some(Transmit::Request { envelope, .. }) = pair.links[1].poll_transmit() else {
                panic!("no request");
            };
            pair.links[0].handle_request(ExchangeId(exchange), envelope, pair.now);
        }
        let deadline = pair.now.instant + Duration::from_secs(60);
        for _ in 0..3 {
            let message = Message::new(&mut pair.ids, &long().into(), None).unwrap();
            pair.links[0].queue(message, deadline).unwrap();
        }
        pair.links[0].answer_with_waiting(pair.now);
        let sent = sent(&mut pair);
        assert!(if pinned { sent > 3 << 20 } else { sent < 64 << 10 }, "{sent} in answers");
    }
}
