//! Ordered messages: taken in order, acknowledged when they are on disk, sent again until then.

use super::*;
use crate::delivery::{Arrival, HeldRoom, Incoming, Order, Resume};
use crate::id::StreamId;
use crate::limits::{MAX_BATCH, MAX_REQUESTS_IN_FLIGHT, MAX_WINDOW_MESSAGES};
use crate::message::{Heartbeat, StatusReport};

fn stream(number: u8) -> StreamId {
    StreamId::from_bytes([number, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]).unwrap()
}

impl Pair {
    /// A pair with a session, whose disks know nothing.
    fn durable(adjust: impl Fn(&mut LinkConfig)) -> Self {
        let mut pair = Self::new(|config| {
            config.rate = crate::rate_limit::RateProfile::trusted();
            adjust(config);
        });
        for side in 0..2 {
            let now = pair.clock(side);
            pair.links[side].resume(&Resume::default(), now);
        }
        pair.links[0].open(pair.now);
        pair.settle();
        pair
    }

    fn report(&mut self, number: u64) -> Message {
        self.numbered(stream(1), number)
    }

    fn numbered(&mut self, stream: StreamId, number: u64) -> Message {
        let body = StatusReport { status: format!("{number}"), ..StatusReport::default() };
        let message = Message::new(&mut self.ids, &body.into(), None).unwrap();
        Message { order: Some(Order { after: None, number, stream }), ..message }
    }

    fn hand(&mut self, side: usize, messages: Vec<Message>) {
        let now = self.clock(side);
        self.links[side].hand(messages, now);
        self.settle();
    }

    fn arrivals(&self, side: usize) -> Vec<Arrival> {
        let arrival = |event: &Event| match event {
            Event::Ordered(arrival) => Some(Arrival::clone(arrival)),
            _ => None,
        };
        self.events[side].iter().filter_map(arrival).collect()
    }

    fn numbers(&self, side: usize) -> Vec<u64> {
        self.arrivals(side).iter().map(|arrival| arrival.message.order.unwrap().number).collect()
    }

    fn store(&mut self, side: usize, ids: &[MessageId]) {
        let now = self.clock(side);
        self.links[side].stored(ids, now);
        self.settle();
    }

    fn acknowledged(&self, side: usize, wanted: ReceiptStatus) -> Vec<MessageId> {
        let ids = |event: &Event| match event {
            Event::Acknowledged { ids, status } if *status == wanted => Some(ids.clone()),
            _ => None,
        };
        self.events[side].iter().filter_map(ids).flatten().collect()
    }
}

#[test]
fn ordered_messages_are_acknowledged_once_they_are_on_disk_and_at_once_then() {
    let mut pair = Pair::durable(|_| {});
    let messages: Vec<_> = (0..3).map(|number| pair.report(number)).collect();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    pair.hand(0, messages);
    assert_eq!(pair.numbers(1), [0, 1, 2]);
    assert!(pair.acknowledged(0, ReceiptStatus::Delivered).is_empty(), "nothing is on disk yet");
    let before = pair.now.instant;
    pair.store(1, &ids);
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Delivered), ids);
    assert_eq!(pair.now.instant, before, "without waiting");
    assert_eq!(pair.links[0].queued(), 0);
}

#[test]
fn an_answer_waits_for_the_disk_only_so_long_and_receipts_follow() {
    let mut pair = Pair::durable(|_| {});
    let message = pair.report(0);
    let id = message.id;
    pair.hand(0, vec![message]);
    assert_eq!(pair.answers.len(), 1, "the answer is held back");
    pair.pass(Duration::from_millis(101));
    assert_eq!(pair.answers.len(), 0);
    assert!(pair.acknowledged(0, ReceiptStatus::Delivered).is_empty());
    pair.store(1, &[id]);
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Delivered), [id]);
    assert_eq!(pair.arrivals(1).len(), 1);
}

#[test]
fn positions_follow_each_other_and_name_the_stream() {
    let mut pair = Pair::durable(|_| {});
    let messages: Vec<_> = (0..3).map(|number| pair.report(number)).collect();
    pair.hand(0, messages);
    let arrivals = pair.arrivals(1);
    assert_eq!(arrivals[0].before, Resume::default().position);
    for pair in arrivals.windows(2) {
        assert_eq!(pair[0].after, pair[1].before);
    }
    assert_eq!((arrivals[2].after.stream, arrivals[2].after.next), (Some(stream(1)), 3));
}

#[test]
fn before_it_is_known_what_is_on_disk_only_volatile_messages_are_taken() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let message = pair.report(0);
    let id = message.id;
    pair.hand(0, vec![message]);
    pair.send(0, Heartbeat::default(), None);
    pair.settle();
    assert!(pair.arrivals(1).is_empty());
    assert_eq!(pair.messages(1).len(), 1);
    let now = pair.now;
    pair.links[1].resume(&Resume { taken: vec![(id, false)], ..Resume::default() }, now);
    pair.pass(Duration::from_secs(3));
    assert!(pair.arrivals(1).is_empty(), "it was taken before");
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Delivered), [id]);
}

#[test]
fn what_was_held_while_the_disk_was_asked_is_taken_then() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let messages: Vec<_> = (0..3).map(|number| pair.report(number)).collect();
    pair.hand(0, messages);
    let now = pair.now;
    pair.links[1].resume(&Resume::default(), now);
    pair.settle();
    assert_eq!(pair.numbers(1), [0, 1, 2]);
}

/// Takes a request off the wire.
fn lose(pair: &mut Pair, side: usize) -> Vec<RequestId> {
    let lost: Vec<_> = std::iter::from_fn(|| pair.links[side].poll_transmit()).collect();
    let requests = lost.into_iter().map(|transmit| match transmit {
        Transmit::Request { id, .. } => id,
        other => panic!("not a request: {other:?}"),
    });
    requests.collect()
}

#[test]
fn later_ones_wait_for_one_that_was_lost_and_then_all_are_taken_in_order() {
    let mut pair = Pair::durable(|_| {});
    let first = pair.report(0);
    let now = pair.now;
    pair.links[0].hand(vec![first], now);
    let lost = lose(&mut pair, 0);
    let rest: Vec<_> = (1..4).map(|number| pair.report(number)).collect();
    pair.hand(0, rest);
    assert!(pair.numbers(1).is_empty());
    pair.links[0].handle_failure(lost[0], now);
    pair.settle();
    assert_eq!(pair.numbers(1), [0, 1, 2, 3]);
}

#[test]
fn what_is_withdrawn_is_not_waited_for_any_more() {
    let mut pair = Pair::durable(|_| {});
    let first = pair.report(0);
    let id = first.id;
    let now = pair.now;
    pair.links[0].hand(vec![first], now);
    lose(&mut pair, 0);
    let rest: Vec<_> = (1..3).map(|number| pair.report(number)).collect();
    pair.hand(0, rest);
    pair.pass(Duration::from_millis(150));
    assert!(pair.numbers(1).is_empty());
    let now = pair.now;
    pair.links[0].withdraw(&[id], now);
    pair.settle();
    assert_eq!(pair.numbers(1), [1, 2], "at once");
}

#[test]
fn a_heartbeat_waits_for_no_ordered_message() {
    let mut pair = Pair::durable(|_| {});
    // Or bytes in flight would be what there is no more place for.
    pair.pin(0, "entity_b", 2);
    let many: Vec<_> = (0..MAX_WINDOW_MESSAGES as u64)
        .map(|number| {
            let message = pair.report(number);
            Message { body: task_of(100_000), kind: MessageKind::Task, ..message }
        })
        .collect();
    let now = pair.now;
    pair.links[0].hand(many, now);
    let under_way = lose(&mut pair, 0).len();
    assert_eq!(under_way, 15, "one place stays free");
    pair.send(0, Heartbeat::default(), None);
    let Some(Transmit::Request { envelope, .. }) = pair.links[0].poll_transmit() else {
        panic!("the heartbeat does not go out")
    };
    assert!(envelope.len() < 1_000, "alone");
}

fn task_of(len: usize) -> bytes::Bytes {
    let content = Cow::Owned(vec![0; len]);
    let task = Task { content, content_type: "text/plain".to_owned(), ..Task::default() };
    Body::from(task).encode().unwrap().into()
}

#[test]
fn many_at_once_travel_in_few_envelopes() {
    let mut pair = Pair::durable(|_| {});
    let many: Vec<_> = (0..500).map(|number| pair.report(number)).collect();
    let before = pair.requests;
    pair.hand(0, many);
    assert_eq!(pair.numbers(1).len(), 500);
    assert!(pair.requests - before <= 1 + 500usize.div_ceil(MAX_BATCH / 2));
}

#[test]
fn what_cannot_be_written_is_not_acknowledged_and_comes_again_after_the_disk_was_asked() {
    let mut pair = Pair::durable(|_| {});
    let messages: Vec<_> = (0..3).map(|number| pair.report(number)).collect();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    pair.hand(0, messages);
    let first = pair.arrivals(1)[0].clone();
    pair.store(1, &ids[..1]);
    let now = pair.now;
    pair.links[1].not_stored(&ids[1..2], now);
    pair.settle();
    let wants = |pair: &Pair| pair.events[1].contains(&Event::ResumeWanted);
    assert!(!wants(&pair), "one write is not reported yet");
    pair.links[1].not_stored(&ids[2..], now);
    pair.settle();
    assert!(wants(&pair));
    assert!(pair.events[0].iter().any(|event| matches!(event, Event::Paced { .. })));
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.numbers(1), [0, 1, 2], "nothing is taken before the disk says how far it is");
    let resume = Resume { position: first.after, taken: vec![(ids[0], false)], owed: Vec::new() };
    let now = pair.now;
    pair.links[1].resume(&resume, now);
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.numbers(1), [0, 1, 2, 1, 2]);
    pair.store(1, &ids[1..]);
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Delivered), ids);
}

#[test]
fn the_sender_learns_what_the_agent_took_and_the_receiver_that_it_knows() {
    let mut pair = Pair::durable(|_| {});
    let message = pair.report(0);
    let id = message.id;
    pair.hand(0, vec![message]);
    pair.store(1, &[id]);
    let now = pair.now;
    pair.links[1].processed(&[id], now);
    assert!(!pair.events[1].contains(&Event::Told(vec![id])));
    pair.pass(Duration::from_millis(100));
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Processed), [id]);
    assert!(pair.events[1].contains(&Event::Told(vec![id])));
}

#[test]
fn news_that_the_agent_took_something_is_kept_until_it_was_heard() {
    let mut pair = Pair::durable(|_| {});
    let id = MessageId::random(&mut pair.ids);
    let now = pair.now;
    pair.links[1].processed(&[id], now);
    for link in &mut pair.links {
        link.disconnected(now);
    }
    pair.pass(Duration::from_secs(120));
    assert!(pair.acknowledged(0, ReceiptStatus::Processed).is_empty());
    let now = pair.now;
    for link in &mut pair.links {
        link.connected(now);
    }
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.acknowledged(0, ReceiptStatus::Processed), [id]);
    assert!(pair.events[1].contains(&Event::Told(vec![id])));
}

#[test]
fn a_receipt_that_promises_memory_does_not_settle_an_ordered_message() {
    let mut pair = Pair::durable(|_| {});
    let message = pair.report(0);
    let id = message.id;
    pair.hand(0, vec![message]);
    let receipt = Receipt { status: ReceiptStatus::Received, message_ids: vec![id] };
    pair.send(1, receipt, None);
    pair.settle();
    assert_eq!(pair.links[0].queued(), 1);
    assert!(pair.acknowledged(0, ReceiptStatus::Received).is_empty());
}

#[test]
fn a_message_that_is_never_ordered_is_refused_with_an_order() {
    let mut pair = Pair::durable(|_| {});
    let body = Body::from(Heartbeat::default());
    let message = Message::new(&mut pair.ids, &body, None).unwrap();
    let id = message.id;
    let order = Some(Order { after: None, number: 0, stream: stream(1) });
    pair.hand(0, vec![Message { order, ..message }]);
    let refused = |event: &Event| {
        matches!(event, Event::Failed { id: of, why: SendFailure::Refused { code, .. } }
            if *of == id && *code == ErrorCode::InvalidState)
    };
    assert!(pair.events[0].iter().any(refused));
    assert!(pair.arrivals(1).is_empty() && pair.messages(1).is_empty());
}

#[test]
fn what_comes_after_a_refused_message_goes_when_the_owner_has_written_that_down() {
    let mut pair = Pair::durable(|_| {});
    let bad = pair.report(0);
    let bad = Message { body: vec![0xff].into(), ..bad };
    let id = bad.id;
    let good = pair.report(1);
    pair.hand(0, vec![bad, good]);
    assert!(pair.numbers(1).is_empty(), "it comes after one that is not settled");
    pair.pass(Duration::from_secs(10));
    assert!(pair.numbers(1).is_empty());
    let now = pair.now;
    pair.links[0].withdraw(&[id], now);
    pair.settle();
    assert_eq!(pair.numbers(1), [1]);
}

#[test]
fn a_number_that_was_taken_is_out_of_sequence_and_another_stream_is_not() {
    let mut pair = Pair::durable(|_| {});
    let now = pair.now;
    let messages: Vec<_> = (0..2).map(|number| pair.report(number)).collect();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    pair.hand(0, messages);
    pair.store(1, &ids);
    let again = pair.report(1);
    let id = again.id;
    pair.hand(0, vec![again.clone()]);
    assert!(pair.events[0].contains(&Event::OutOfSequence { id, stream: stream(1) }));
    pair.links[0].withdraw(&[id], now);
    let order = Some(Order { after: None, number: 1, stream: stream(2) });
    pair.hand(0, vec![Message { order, ..again }]);
    assert_eq!(pair.arrivals(1).last().unwrap().after.dead, [stream(1)]);
    pair.store(1, &[id]);
    let late = pair.numbered(stream(1), 2);
    let late_id = late.id;
    pair.hand(0, vec![late]);
    assert!(pair.events[0].contains(&Event::OutOfSequence { id: late_id, stream: stream(1) }));
}

#[test]
fn an_answer_to_an_earlier_stream_says_nothing_about_the_present_one() {
    let mut pair = Pair::durable(|_| {});
    let messages: Vec<_> = (0..2).map(|number| pair.report(number)).collect();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    pair.hand(0, messages);
    pair.store(1, &ids);
    let again = pair.report(1);
    let id = again.id;
    let now = pair.now;
    pair.links[0].hand(vec![again.clone()], now);
    let requests: Vec<_> = std::iter::from_fn(|| pair.links[0].poll_transmit()).collect();
    let order = Some(Order { after: None, number: 1, stream: stream(2) });
    pair.links[0].hand(vec![Message { order, ..again }], now);
    for request in requests {
        pair.carry(0, request);
    }
    pair.settle();
    assert!(!pair.events[0].iter().any(|event| matches!(event, Event::OutOfSequence { .. })));
    assert_eq!(pair.arrivals(1).last().unwrap().message.id, id);
}

#[test]
fn ordered_messages_outlive_a_handshake_that_cannot_succeed() {
    let mut pair = Pair::new(|_| {});
    pair.pin(1, "entity_a", 9);
    let message = pair.report(0);
    pair.hand(0, vec![message]);
    pair.pass(Duration::from_secs(30));
    let fatal = |event: &&Event| matches!(event, Event::HandshakeFailed { fatal: true, .. });
    assert_eq!(pair.events[0].iter().filter(fatal).count(), 1, "and it is not tried all the time");
    assert!(!pair.events[0].iter().any(|event| matches!(event, Event::Failed { .. })));
    pair.send(0, Heartbeat::default(), None);
    pair.settle();
    assert_eq!(pair.events[0].iter().filter(fatal).count(), 2, "unless somebody asks");
}

/// What is held on one link gives way to what is to be held on another, and comes again.
#[test]
fn held_messages_give_way_to_those_of_others_without_anything_happening_on_their_link() {
    let room = HeldRoom::of(32 << 10);
    let mut pair = Pair::new(|config| {
        config.rate = crate::rate_limit::RateProfile::trusted();
        config.held = room.clone();
    });
    let now = pair.clock(0);
    pair.links[0].resume(&Resume::default(), now);
    let messages: Vec<_> = (0..60).map(|number| pair.report(number)).collect();
    pair.hand(0, messages);
    // Before the disk was asked all of them are held.
    assert_eq!(pair.links[1].incoming.held().0, 60);
    let mut other = Incoming::within(room);
    let large = Message { body: vec![0; 10 << 10].into(), ..pair.report(1) };
    other.hold(large);
    assert_eq!(other.held().0, 1);
    pair.pass(Duration::from_millis(999));
    assert_eq!(pair.links[1].incoming.held().0, 60);
    pair.pass(Duration::from_millis(1));
    let left = pair.links[1].incoming.held().0;
    assert!((40..60).contains(&left), "{left}");
    other.let_go();
    let now = pair.clock(1);
    pair.links[1].resume(&Resume::default(), now);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.numbers(1), (0..60).collect::<Vec<_>>());
}

#[test]
fn each_time_an_ordered_message_leaves_is_told() {
    let mut pair = Pair::durable(|_| {});
    let message = pair.report(0);
    let id = message.id;
    let left = |pair: &Pair| -> usize {
        let told = |event: &Event| match event {
            Event::Transmitted(ids) => ids.iter().filter(|left| **left == id).count(),
            _ => 0,
        };
        pair.events[0].iter().map(told).sum()
    };
    pair.hand(0, vec![message]);
    assert_eq!(left(&pair), 1);
    // Nobody says that it is on disk: it goes again, after two seconds and after four.
    pair.pass(Duration::from_secs(7));
    assert_eq!(left(&pair), 3);
    pair.store(1, &[id]);
    pair.pass(Duration::from_secs(60));
    assert_eq!(left(&pair), 3);
}

#[test]
fn it_is_told_whether_messages_are_being_written() {
    let mut pair = Pair::durable(|_| {});
    assert!(!pair.links[1].is_writing());
    let message = pair.report(0);
    let id = message.id;
    pair.hand(0, vec![message]);
    assert!(pair.links[1].is_writing());
    pair.store(1, &[id]);
    assert!(!pair.links[1].is_writing());
}

/// The answer to the last task waits for its result also when the task is on disk; those to earlier ones
/// do not.
#[test]
fn the_answer_to_an_ordered_task_waits_for_its_result() {
    let mut pair = Pair::durable(|_| {});
    let mut ids = Vec::new();
    for number in 0..2 {
        let order = pair.report(number).order;
        let message = Message::new(&mut pair.ids, &task("and?").into(), None).unwrap();
        ids.push(message.id);
        pair.hand(0, vec![Message { order, ..message }]);
    }
    assert_eq!(pair.answers.len(), 2);
    pair.store(1, &ids[..1]);
    assert_eq!(pair.answers.len(), 1, "the first is answered");
    pair.store(1, &ids[1..]);
    assert_eq!(pair.answers.len(), 1);
    let before = pair.requests;
    pair.send(1, result("well"), Some(ids[1]));
    pair.settle();
    assert_eq!((pair.answers.len(), pair.requests, pair.messages(0).len()), (0, before, 1));
}

/// Of all requests that may be under way the last is for what is volatile.
#[test]
fn what_is_volatile_finds_a_place_when_what_is_ordered_has_taken_all_others() {
    let mut pair = Pair::durable(|_| {});
    let mut under_way = 0;
    for number in 0..2 * MAX_REQUESTS_IN_FLIGHT as u64 {
        let message = pair.report(number);
        pair.links[0].hand(vec![message], pair.now);
        under_way += lose(&mut pair, 0).len();
        pair.now = pair.now + Duration::from_millis(3);
        pair.links[0].handle_timeout(pair.now);
        under_way += lose(&mut pair, 0).len();
    }
    assert_eq!(under_way, MAX_REQUESTS_IN_FLIGHT - 1);
    for left in [1, 0] {
        pair.send(0, Heartbeat::default(), None);
        assert_eq!(lose(&mut pair, 0).len(), left);
    }
}

/// A peer whose session is not ready yet gets what it could not use a little later, and not at once.
#[test]
fn what_came_too_early_goes_again_a_little_later() {
    let mut pair = Pair::durable(|_| {});
    let message = pair.report(0);
    pair.links[0].hand(vec![message], pair.now);
    let sealed = match pair.links[0].poll_transmit() {
        Some(Transmit::Request { id, envelope }) => (id, Envelope::decode(envelope).unwrap()),
        other => panic!("{other:?}"),
    };
    let code = ErrorCode::EncryptionNotReady;
    pair.links[1].refuse(ExchangeId(99), Some(&sealed.1), code, "not yet", pair.now);
    let Some(Transmit::Answer { envelope, .. }) = pair.links[1].poll_transmit() else { panic!() };
    pair.links[0].handle_answer(sealed.0, envelope, pair.now);
    pair.pass(Duration::from_millis(49));
    assert!(pair.numbers(1).is_empty());
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.numbers(1), [0]);
}
