//! Volatile messages, receipts and paces, without links around them.

use super::*;
use crate::limits::{MAX_OWED_PROCESSED, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, MAX_RETRY_AFTER};
use crate::link::QueueFull;
use crate::link::batch::Batch;
use crate::link::outbox::{Line, Outbox};
use crate::link::owed::Owed;
use crate::link::pace::Pacer;

const NOW: Instant = Instant::from_start(Duration::from_secs(100));
const MILLI: Duration = Duration::from_millis(1);
const LATE: Instant = Instant::from_start(Duration::from_secs(10_000));

fn message(rng: &mut StdRng, kind: MessageKind, len: usize) -> Message {
    let message = Message::new(rng, &task("").into(), None).unwrap();
    Message { kind, body: vec![0; len].into(), ..message }
}

/// An outbox with tasks of one byte, and their ids.
fn outbox(count: usize) -> (Outbox, Vec<MessageId>) {
    let (mut outbox, mut rng) = (Outbox::default(), StdRng::seed_from_u64(1));
    let ids = (0..count).map(|_| {
        let message = message(&mut rng, MessageKind::Task, 1);
        outbox.push(message.clone(), LATE).unwrap();
        message.id
    });
    let ids = ids.collect();
    (outbox, ids)
}

fn sent(outbox: &mut Outbox, line: Line, now: Instant) -> Vec<MessageId> {
    let mut batch = Batch::new(256);
    outbox.fill(&mut batch, line, now);
    batch.into_messages().into_iter().map(|message| message.id).collect()
}

#[test]
fn what_is_queued_is_bounded_to_the_byte_and_to_the_message() {
    let (mut outbox, mut rng) = (Outbox::default(), StdRng::seed_from_u64(1));
    let mut push = |outbox: &mut Outbox, len| {
        let message = message(&mut rng, MessageKind::Task, len);
        outbox.push(message.clone(), LATE).map(|()| message.id)
    };
    let first = push(&mut outbox, 1_000).unwrap();
    let second = push(&mut outbox, MAX_QUEUED_BYTES - 1_010).unwrap();
    push(&mut outbox, 10).unwrap();
    assert_eq!(push(&mut outbox, 1), Err(QueueFull::Bytes));
    assert!(outbox.remove(first).is_some() && outbox.remove(first).is_none());
    assert_eq!(push(&mut outbox, 1_001), Err(QueueFull::Bytes));
    push(&mut outbox, 1_000).unwrap();
    outbox.remove(second);
    for _ in outbox.len()..MAX_QUEUED_MESSAGES {
        push(&mut outbox, 1).unwrap();
    }
    assert_eq!(push(&mut outbox, 1), Err(QueueFull::Messages));
    assert_eq!(outbox.drain().len(), MAX_QUEUED_MESSAGES);
    assert!(outbox.is_empty() && !outbox.has_waiting() && outbox.next_tick().is_none());
    push(&mut outbox, MAX_QUEUED_BYTES).unwrap();
}

#[test]
fn chunks_go_after_everything_else() {
    let (mut outbox, ids) = outbox(2);
    assert!(!outbox.has_bulk());
    let chunk = message(&mut StdRng::seed_from_u64(2), MessageKind::Chunk, 7);
    outbox.push(chunk.clone(), LATE).unwrap();
    outbox.push(chunk.clone(), LATE).unwrap();
    assert!(outbox.has_bulk() && outbox.has_waiting());
    assert_eq!((outbox.waiting(), outbox.waiting_lens().sum::<usize>()), (3, 9));
    assert_eq!(sent(&mut outbox, Line::Prompt, NOW), ids);
    assert!(!outbox.has_waiting() && outbox.waiting() == 1);
    assert_eq!(sent(&mut outbox, Line::Bulk, NOW), [chunk.id]);
    assert_eq!((outbox.waiting(), outbox.len()), (0, 3));
}

/// At once and in its turn the first time; then behind all others, after 100 ms, doubling to 5 s.
#[test]
fn what_did_not_arrive_goes_again_later_and_later() {
    let (mut outbox, ids) = outbox(3);
    sent(&mut outbox, Line::Prompt, NOW);
    outbox.retry(ids[1], NOW);
    outbox.retry(ids[0], NOW);
    outbox.retry(ids[0], NOW);
    assert_eq!(sent(&mut outbox, Line::Prompt, NOW), ids[..2]);
    let mut now = NOW;
    for millis in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        outbox.retry(ids[0], now);
        let until = now + Duration::from_millis(millis);
        assert_eq!(outbox.next_tick(), Some(until));
        outbox.tick(until - MILLI);
        assert!(!outbox.has_waiting());
        now = until;
        assert_eq!(sent(&mut outbox, Line::Prompt, now), ids[..1]);
    }
    // Now it is behind the others, even those that were queued after it.
    outbox.retry(ids[0], now);
    outbox.delay(ids[1], now);
    outbox.delay(ids[2], now);
    let later = now + Duration::from_secs(5);
    assert_eq!(sent(&mut outbox, Line::Prompt, later), [ids[1], ids[2], ids[0]]);
}

#[test]
fn what_runs_out_of_time_is_told_with_whether_it_was_sent() {
    let (mut outbox, mut rng) = (Outbox::default(), StdRng::seed_from_u64(1));
    let ends = [NOW + MILLI, NOW + MILLI * 2];
    let messages = ends.map(|end| {
        let message = message(&mut rng, MessageKind::Task, 1);
        outbox.push(message.clone(), end).unwrap();
        message.id
    });
    sent(&mut outbox, Line::Prompt, NOW);
    outbox.retry(messages[1], NOW);
    let (never, _) = (message(&mut rng, MessageKind::Task, 1), ());
    outbox.push(never.clone(), ends[1]).unwrap();
    assert!(outbox.tick(NOW).is_empty());
    assert_eq!(outbox.next_tick(), Some(ends[0]));
    let over = outbox.tick(ends[0]);
    assert!(matches!(&over[..], [one] if one.id == messages[0] && one.sent));
    let mut over: Vec<_> = outbox.tick(ends[1]).iter().map(|one| (one.id, one.sent)).collect();
    over.sort_unstable();
    let mut expected = [(messages[1], true), (never.id, false)];
    expected.sort_unstable();
    assert_eq!(over, expected);
    assert!(outbox.is_empty() && !outbox.has_waiting());
}

#[test]
fn receipts_wait_for_the_earliest_that_is_due_and_are_bounded() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut id = || MessageId::random(&mut rng);
    let mut owed = Owed::default();
    owed.add_taken(&[], NOW);
    owed.add(&owed::Receipts::default(), NOW);
    assert_eq!((owed.at(), owed.has_taken(), owed.is_empty()), (None, false, true));
    owed.add(&received(id()), NOW + Duration::from_secs(1));
    assert_eq!(owed.at(), Some(NOW + Duration::from_secs(1)));
    let taken: Vec<_> = (0..MAX_OWED_PROCESSED).map(|_| id()).collect();
    owed.add_taken(&taken[1..], NOW);
    owed.add_taken(&[taken[0], id(), id()], NOW + MILLI);
    let due = NOW + 20 * MILLI;
    assert_eq!((owed.at(), owed.has_taken()), (Some(due), true));
    assert!(!owed.is_due(due - MILLI) && owed.is_due(due) && !owed.is_urgent(due));
    // What was taken goes with requests only, so many with each.
    assert_eq!(owed.for_answer(0).received.len(), 1);
    assert_eq!(owed.at(), Some(due), "the rest is still to be told");
    let mut told = Vec::new();
    while owed.has_taken() {
        let (receipts, some) = owed.for_request(0);
        assert!(receipts.is_empty() && some.len() <= 512);
        told.extend(some);
    }
    assert_eq!((told.len(), told.last()), (MAX_OWED_PROCESSED, Some(&taken[0])));
    assert_eq!(owed.at(), None);
    owed.connected(NOW);
    assert_eq!(owed.at(), None, "there is nothing to tell");
    owed.add_taken(&taken[..1], NOW);
    owed.forget();
    assert_eq!(owed.at(), None);
    owed.connected(NOW);
    assert_eq!(owed.at(), Some(due));
    let long = crate::limits::BATCH_TARGET_LEN + 1;
    assert!(owed.for_request(long).1.is_empty(), "beside a large message is no room");
    assert_eq!(owed.for_request(long - 1).1.len(), 1);
}

#[test]
fn what_is_on_disk_is_told_at_once_and_beside_a_large_message_as_far_as_there_is_room() {
    let mut rng = StdRng::seed_from_u64(1);
    let delivered: Vec<_> = (0..300).map(|_| MessageId::random(&mut rng)).collect();
    let mut owed = Owed::default();
    owed.add(&received(delivered[0]), NOW);
    assert!(owed.is_due(NOW) && !owed.is_urgent(NOW), "that can wait for something to ride with");
    owed.add(&owed::Receipts { delivered: delivered.clone(), ..Default::default() }, NOW);
    assert!(owed.is_urgent(NOW) && !owed.is_urgent(NOW - MILLI));
    let long = crate::limits::BATCH_TARGET_LEN + 1;
    let first = owed.for_answer(long);
    assert_eq!((first.received.len(), &first.delivered[..]), (0, &delivered[..256]));
    let rest = owed.for_answer(long - 1);
    assert_eq!((rest.received.len(), &rest.delivered[..]), (1, &delivered[256..]));
    assert!(!owed.is_urgent(NOW) && owed.at().is_none());
}

#[test]
fn a_peer_that_asks_for_less_gets_less_until_it_takes_it() {
    let mut pacer = Pacer::default();
    let kind = MessageKind::Task;
    assert_eq!(pacer.admit(kind, NOW), Ok(()));
    pacer.slow_down(kind, Duration::from_millis(8), NOW);
    assert_eq!(pacer.admit(kind, NOW), Err(NOW + 8 * MILLI));
    assert_eq!(pacer.admit(MessageKind::Chunk, NOW), Ok(()), "another class");
    assert_eq!(pacer.admit(kind, NOW + 8 * MILLI), Ok(()));
    assert_eq!(pacer.admit(kind, NOW + 9 * MILLI), Err(NOW + 16 * MILLI));
    // Refused again for less: what was promised stays.
    pacer.slow_down(kind, 4 * MILLI, NOW + 9 * MILLI);
    assert_eq!(pacer.admit(kind, NOW + 9 * MILLI), Err(NOW + 16 * MILLI));
    assert_eq!(pacer.admit(kind, NOW + 16 * MILLI), Ok(()));
    assert_eq!(pacer.admit(kind, NOW + 16 * MILLI), Err(NOW + 20 * MILLI));
    // Each that is taken halves the interval, down to one millisecond: then it is free again.
    pacer.speed_up(kind);
    assert_eq!(pacer.admit(kind, NOW + 20 * MILLI), Ok(()));
    assert_eq!(pacer.admit(kind, NOW + 20 * MILLI), Err(NOW + 22 * MILLI));
    pacer.speed_up(kind);
    assert_eq!(pacer.admit(kind, NOW + 20 * MILLI), Ok(()));
    // No peer can ask for more than an hour.
    pacer.slow_down(kind, Duration::MAX, NOW);
    assert_eq!(pacer.admit(kind, NOW), Err(NOW + MAX_RETRY_AFTER));
}
