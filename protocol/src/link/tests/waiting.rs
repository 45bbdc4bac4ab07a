//! Messages and handshakes that wait: their order, for how long, and who is told in the end.

use super::*;

#[test]
fn a_paced_class_stays_in_order_and_lets_nobody_overtake() {
    let mut pair = Pair::new(|config| config.rate.task = Quota { per_minute: 60, burst: 1 });
    pair.links[0].open(pair.now);
    pair.settle();
    let mut ids: Vec<_> = (0..10).map(|_| pair.send(0, task("x"), None)).collect();
    for _ in 0..20 {
        pair.pass(Duration::from_millis(700));
        ids.push(pair.send(0, task("x"), None));
    }
    pair.pass(Duration::from_secs(40));
    let got: Vec<_> = pair.messages(1).iter().map(|message| message.id).collect();
    assert_eq!(got, ids);
}

#[test]
fn whoever_is_queued_the_moment_a_pause_ends_comes_after_those_who_waited() {
    let mut pair = Pair::new(|config| config.rate.task = Quota { per_minute: 60, burst: 1 });
    pair.links[0].open(pair.now);
    pair.settle();
    let mut ids: Vec<_> = (0..3).map(|_| pair.send(0, task("x"), None)).collect();
    pair.pass(Duration::from_millis(500));
    let due = pair.links[0].outbox.next_tick().unwrap();
    pair.now = pair.now + due.since(pair.now.instant);
    ids.push(pair.send(0, task("late"), None));
    pair.pass(Duration::from_secs(20));
    let got: Vec<_> = pair.messages(1).iter().map(|message| message.id).collect();
    assert_eq!(got, ids);
}

#[test]
fn a_first_retransmission_keeps_its_turn() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let ids: Vec<_> = (0..3)
        .map(|_| {
            // Far enough apart not to gather in one request.
            pair.now = pair.now + Duration::from_millis(2);
            pair.send(0, task("x"), None)
        })
        .collect();
    let lost: Vec<_> = std::iter::from_fn(|| pair.links[0].poll_transmit()).collect();
    assert_eq!(lost.len(), 3, "one request each");
    for transmit in lost {
        let Transmit::Request { id, .. } = transmit else { panic!("not a request") };
        pair.links[0].in_flight.remove(&id);
    }
    for id in ids.iter().rev() {
        pair.links[0].outbox.retry(*id, pair.now.instant);
    }
    pair.links[0].flush(pair.now);
    pair.settle();
    let got: Vec<_> = pair.messages(1).iter().map(|message| message.id).collect();
    assert_eq!(got, ids);
}

#[test]
fn no_peer_can_announce_a_wait_without_end() {
    let hour = crate::limits::MAX_RETRY_AFTER;
    let mut pair = Pair::new(|config| config.admission = Arc::new(NeverAgain));
    let now = pair.now;
    pair.links[0].open(now);
    pair.settle();
    let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
    pair.links[0].send(message, now.instant + hour * 100, now).unwrap();
    pair.settle();
    let paced =
        |event: &Event| matches!(event, Event::Paced { retry_after, .. } if *retry_after == hour);
    assert!(pair.events[0].iter().any(paced), "a message");
    assert!(pair.links[0].outbox.pacer.admit(MessageKind::Task, (now + hour).instant).is_ok());
    let outbox = pair.links[0].outbox.next_tick();
    assert!(outbox.is_some_and(|at| at <= now.instant + hour));
}

struct NeverAgain;

impl Admission for NeverAgain {
    fn admit(&self, _: &PublicKey, _: &Message) -> Result<(), ErrorReport> {
        let report = ErrorReport::new(ErrorCode::RateLimited, "never again");
        Err(ErrorReport { retry_after_ms: Some(u64::MAX), ..report })
    }
}

/// Answers the next request of side 0 with an error of side 1.
fn refuse_next(pair: &mut Pair, retry_after_ms: u64) {
    let Some(Transmit::Request { id, envelope }) = pair.links[0].poll_transmit() else {
        panic!("no request");
    };
    let nonce = crate::envelope::nonce_of(&envelope);
    let report = ErrorReport::new(ErrorCode::RateLimited, "later");
    let report = ErrorReport { retry_after_ms: Some(retry_after_ms), ..report };
    let exchange = ExchangeId(u64::MAX);
    pair.links[1].refuse_with(exchange, nonce, report, pair.now);
    let Some(Transmit::Answer { envelope, .. }) = pair.links[1].poll_transmit() else {
        panic!("no answer");
    };
    pair.links[0].handle_answer(id, envelope, pair.now);
}

#[test]
fn a_wait_for_handshakes_outlasts_the_connection_but_not_an_hour() {
    let mut pair = Pair::new(|_| {});
    let start = pair.now;
    pair.links[0].open(start);
    refuse_next(&mut pair, 10_000);
    pair.links[0].disconnected(pair.now);
    pair.links[0].connected(pair.now);
    assert_eq!(pair.links[0].poll_transmit(), None, "the peer said when");
    pair.pass(Duration::from_secs(9));
    assert_eq!(pair.requests, 0);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.sessions(0).len(), 1);

    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    refuse_next(&mut pair, u64::MAX);
    pair.pass(crate::limits::MAX_RETRY_AFTER);
    assert_eq!(pair.sessions(0).len(), 1);
}

#[test]
fn a_new_connection_ends_this_sides_own_back_off() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    for _ in 0..5 {
        let Some(Transmit::Request { id, .. }) = pair.links[0].poll_transmit() else {
            panic!("no request");
        };
        pair.links[0].handle_failure(id, pair.now);
        assert_eq!(pair.links[0].poll_transmit(), None);
        pair.links[0].connected(pair.now);
    }
    pair.settle();
    assert_eq!(pair.sessions(0).len(), 1);
}

#[test]
fn a_record_refused_for_long_waits_an_hour_at_most() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
    let hour = crate::limits::MAX_RETRY_AFTER;
    pair.links[0].send(message, pair.now.instant + hour * 100, pair.now).unwrap();
    refuse_next(&mut pair, u64::MAX);
    assert_eq!(pair.links[0].outbox.next_tick(), Some(pair.now.instant + hour));
}

#[test]
fn a_receipt_that_is_owed_is_kept_until_nobody_waits_for_it() {
    let mut pair = Pair::new(|_| {});
    let id = MessageId::random(&mut pair.ids);
    let link = &mut pair.links[0];
    link.disconnected(pair.now);
    assert!(link.owed.is_empty());
    link.owe(&received(id), pair.now.instant);
    pair.pass(Duration::from_secs(59));
    assert_eq!(pair.links[0].owed.received(), [id]);
    pair.pass(Duration::from_secs(2));
    assert!(pair.links[0].owed.is_empty());
    assert_eq!(pair.links[0].poll_timeout(pair.now.instant), None);
}

#[test]
fn messages_that_are_given_up_are_named_in_order() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    pair.links[0].disconnected(pair.now);
    let ids: Vec<_> = (0..50).map(|_| pair.send(0, task("x"), None)).collect();
    assert_eq!(pair.links[0].queued(), ids.len());
    assert_eq!(pair.links[0].outbox.drain(), ids);
    assert_eq!((pair.links[0].queued(), pair.links[0].outbox.drain().len()), (0, 0));
}
