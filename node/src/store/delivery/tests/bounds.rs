//! What is kept is bounded.

use std::time::Duration;

use peer_protocol::delivery::{Status, Step};
use peer_protocol::limits::MAX_TAKEN_IDS;

use super::super::keeping::{KEPT, MAX_SETTLED};
use super::super::steps::MAX_STEPS;
use super::super::tables::numbered;
use super::*;
use crate::store::{Filter, Found, Written};

fn find(store: &Store, id: MessageId) -> Vec<Found> {
    store.find(id.as_bytes(), id.as_bytes(), 2).unwrap()
}

fn settled<A: Default>() -> Filter<A> {
    Filter { settled: true, most: usize::MAX, ..Filter::default() }
}

#[test]
fn of_a_sender_the_newest_ids_are_remembered() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut before, mut writes, mut ids) = (Position::default(), Vec::new(), Vec::new());
    for _ in 0..MAX_TAKEN_IDS + 100 {
        let arrival = arrival(&mut rng, peer(1), &before, 1);
        before = arrival.after.clone();
        ids.push((arrival.message.id, false));
        writes.push(Write::Arrive(arrival));
    }
    let written = store.commit(&writes).unwrap();
    assert!((0..).zip(written).all(|(number, it)| it == Written::Stored(number)));
    let resume = store.resume(&peer(1)).unwrap();
    assert_eq!(resume.taken, ids[100..]);
    assert_eq!(resume.position, before);
    assert_eq!(store.inbox(4, 3, usize::MAX).unwrap().len(), 3);
    assert_eq!(store.inbox(0, 100, 10).unwrap().len(), 10, "of one byte each");
    assert_eq!(store.inbox(0, 100, 0).unwrap().len(), 1, "a larger one comes alone");
}

/// A sender that uses an id again long after: it is not handed over twice, and none is stuck.
#[test]
fn one_id_stands_for_one_message() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let first = arrival(&mut rng, peer(1), &Position::default(), 5);
    let mut second = arrival(&mut rng, peer(1), &first.after, 5);
    second.message.id = first.message.id;
    let name = (peer(1), first.message.id);
    store.commit(&[Write::Arrive(first), Write::Arrive(second)]).unwrap();
    assert_eq!(store.inbox(0, 9, 99).unwrap().len(), 1);
    store.commit(&[Write::Take { messages: vec![name], at: at(1) }]).unwrap();
    assert!(store.inbox(0, 9, 99).unwrap().is_empty());
    assert_eq!(store.owed_peers().unwrap(), [peer(1)]);
}

#[test]
fn records_of_settled_messages_go_by_number_and_by_age() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let most = MAX_SETTLED;
    let mut before = Position::default();
    let mut first = None;
    for number in 0..2 * MAX_SETTLED {
        let outgoing = outgoing(&mut rng, peer(1), number, 10);
        let arrival = arrival(&mut rng, peer(2), &before, 10);
        before = arrival.after.clone();
        first.get_or_insert((outgoing.message.id, arrival.message.id));
        let (id, taken) = (outgoing.message.id, vec![(peer(2), arrival.message.id)]);
        let (peer, at, status) = (peer(1), at(number), Status::Delivered);
        store
            .commit(&[
                Write::Accept(outgoing),
                Write::Became { peer, number, id, status, at },
                Write::Arrive(arrival),
                Write::Take { messages: taken, at },
            ])
            .unwrap();
    }
    let records = |store: &Store| {
        let (out, into) =
            (store.outgoing(&settled()).unwrap(), store.incoming(&settled()).unwrap());
        (out.total, into.total)
    };
    assert_eq!(records(&store), (most / 2, most / 2));
    let (first_out, first_in) = first.unwrap();
    for id in [first_out, first_in] {
        assert_eq!(find(&store, id), []);
    }
    // Nothing is owed for what is forgotten.
    let resume = store.resume(&peer(2)).unwrap();
    assert_eq!(resume.owed.len() as u64, most / 2);
    assert!(resume.taken.iter().all(|(_, taken)| *taken));
    // Number and stream go on all the same.
    assert_eq!(resume.position, before);
    // They go by the time in which the node runs.
    let mut late = outgoing(&mut rng, peer(1), 2 * MAX_SETTLED, 1);
    let id = late.message.id;
    late.created = at(2 * MAX_SETTLED) + 100 * KEPT;
    store.commit(&[Write::Accept(late)]).unwrap();
    assert_eq!(records(&store), (most / 2 + 1, most / 2), "a wall clock says nothing");
    let run_on = |time| store.transact(|tables| tables.delivery()?.run_on(time)).unwrap();
    run_on(KEPT - Duration::from_secs(1));
    assert_eq!(records(&store), (most / 2 + 1, most / 2));
    run_on(Duration::from_secs(1));
    assert_eq!(records(&store), (1, 0), "what waits stays");
    assert!(matches!(&find(&store, id)[..], [Found::Outgoing(_)]));
}

/// What former versions wrote goes by the clock that they went by.
#[test]
fn records_of_former_versions_go_as_they_would_have() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let outgoing = outgoing(&mut rng, peer(1), 0, 10);
    let (peer, id, status) = (peer(1), outgoing.message.id, Status::Delivered);
    let became = Write::Became { peer, number: 0, id, status, at: at(1) };
    store.commit(&[Write::Accept(outgoing), became]).unwrap();
    let mut row = at(1).as_millis().to_be_bytes().to_vec();
    row.push(0);
    row.extend_from_slice(&numbered(peer.as_bytes(), 0));
    let pass = |seed, at| {
        let mut rng = StdRng::seed_from_u64(2);
        let mut arrival = arrival(&mut rng, super::peer(seed), &Position::default(), 1);
        arrival.at = at;
        store.commit(&[Write::Arrive(arrival)]).unwrap();
    };
    store
        .transact(|tables| Ok(tables.delivery()?.settled.insert(0, row.as_slice()).map(drop)?))
        .unwrap();
    pass(2, at(0) + KEPT);
    assert_eq!(find(&store, id).len(), 1);
    pass(3, at(1) + KEPT);
    assert_eq!(find(&store, id), []);
}

#[test]
fn lists_come_in_pages_the_oldest_first() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut expected = Vec::new();
    let (mut before, mut inbox) = (Position::default(), Vec::new());
    for number in 0..10 {
        for seed in 1..3 {
            let outgoing = outgoing(&mut rng, peer(seed), number, 10);
            expected.push((outgoing.created, *peer(seed).as_bytes(), outgoing.message.id));
            store.commit(&[Write::Accept(outgoing)]).unwrap();
        }
        let arrival = arrival(&mut rng, peer(1), &before, 10);
        before = arrival.after.clone();
        inbox.push(arrival.message.id);
        store.commit(&[Write::Arrive(arrival)]).unwrap();
    }
    expected.sort_unstable();
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = store.outgoing(&Filter { after, most: 7, ..Filter::default() }).unwrap();
        assert_eq!(page.total, 20);
        listed.extend(page.items.iter().map(|it| (it.created, *it.peer.as_bytes(), it.id)));
        let last = page.items.last().unwrap();
        let (created, peer, number) = (last.created, *last.peer.as_bytes(), last.number);
        after = Some(crate::store::OutboxPlace { created, peer, number });
        if !page.more {
            break;
        }
    }
    assert_eq!(listed, expected);
    let only = Filter { peer: Some(peer(1)), most: 99, ..Filter::default() };
    assert_eq!(store.outgoing(&only).unwrap().total, 10);
    let some = store.incoming(&Filter { after: Some(3), most: 4, ..Filter::default() }).unwrap();
    assert_eq!((some.total, some.more), (10, true));
    assert_eq!(some.items.iter().map(|it| it.id).collect::<Vec<_>>(), inbox[4..8]);
    assert_eq!(store.numbered(9).unwrap().unwrap().id, inbox[9]);
    assert_eq!(store.incoming_message(9).unwrap().unwrap().message.id, inbox[9]);
}

/// Whether a task was answered is known after a restart too.
#[test]
fn an_answer_that_is_accepted_marks_its_task() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let task = arrival(&mut rng, peer(1), &Position::default(), 5);
    let id = task.message.id;
    let mut answer = outgoing(&mut rng, peer(1), 0, 5);
    answer.message.kind = MessageKind::TaskResult;
    answer.message.in_reply_to = Some(id);
    store.commit(&[Write::Arrive(task)]).unwrap();
    assert!(!store.numbered(0).unwrap().unwrap().answered);
    store.commit(&[Write::Accept(answer)]).unwrap();
    assert!(store.numbered(0).unwrap().unwrap().answered);
}

#[test]
fn a_trace_tells_the_way_and_the_trail_is_bounded() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let outgoing = outgoing(&mut rng, peer(1), 0, 10);
    let (peer, id, number) = (peer(1), outgoing.message.id, 0);
    let step = |step, at| Write::Step { id, step, at };
    let status = Status::Delivered;
    store
        .commit(&[
            Write::Accept(outgoing),
            step(Step::Accepted, at(1_000)),
            step(Step::GivenToLink, at(1_001)),
            step(Step::Transmitted { attempt: 1 }, at(1_002)),
            Write::Became { peer, number, id, status: status.clone(), at: at(1_003) },
        ])
        .unwrap();
    let trace = || {
        let found = find(&store, id).pop().unwrap();
        store.trace(found).unwrap().steps
    };
    let expected = [
        (at(1_000), Step::Accepted),
        (at(1_001), Step::GivenToLink),
        (at(1_003), Step::Became(status)),
    ];
    assert_eq!(trace(), expected, "attempts are not written down");
    for millis in 0..MAX_STEPS + 1 {
        let id = MessageId::random(&mut rng);
        store.commit(&[Write::Step { id, step: Step::Handed, at: at(millis) }]).unwrap();
    }
    assert_eq!(trace().len(), 2, "only what the record tells");
}

#[test]
fn a_file_that_is_mostly_empty_is_made_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let store = Store::open(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut settle = Vec::new();
    for number in 0..90 {
        let outgoing = outgoing(&mut rng, peer(1), number, 1 << 20);
        let (peer, id) = (peer(1), outgoing.message.id);
        let status = Status::Cancelled;
        settle.push(Write::Became { peer, number, id, status, at: at(1) });
        store.commit(&[Write::Accept(outgoing)]).unwrap();
    }
    let kept = settle.pop().unwrap();
    let len = |path| std::fs::metadata(path).unwrap().len();
    // A crash leaves the file as long as it is. While it is full it stays so.
    std::fs::copy(&path, &copy).unwrap();
    let full = len(&copy);
    drop(Store::open(&copy).unwrap());
    assert!(len(&copy) > 80 << 20, "{full} {}", len(&copy));
    store.commit(&settle).unwrap();
    std::fs::copy(&path, &copy).unwrap();
    let store = Store::open(&copy).unwrap();
    assert!(len(&copy) < full / 4, "{full} {}", len(&copy));
    let left = store.window(&peer(1), 0, u64::MAX).unwrap();
    assert_eq!(left.len(), 1);
    store.commit(&[kept]).unwrap();
}

/// Answers are under no rate limit: only one to a task that was asked is kept.
#[test]
fn an_answer_to_nothing_is_acknowledged_and_not_kept() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut task = outgoing(&mut rng, peer(1), 0, 5);
    task.message.kind = MessageKind::Task;
    let asked = task.message.id;
    store.commit(&[Write::Accept(task)]).unwrap();
    let (mut before, mut written) = (Position::default(), Vec::new());
    let mut stranger = Position::default();
    let nothing = MessageId::random(&mut rng);
    for (from, of) in
        [(1, Some(nothing)), (2, Some(asked)), (1, Some(asked)), (1, Some(asked)), (1, None)]
    {
        let at = if from == 1 { &mut before } else { &mut stranger };
        let mut answer = arrival(&mut rng, peer(from), at, 5);
        answer.message.kind = MessageKind::TaskResult;
        answer.message.in_reply_to = of;
        *at = answer.after.clone();
        written.extend(store.commit(&[Write::Arrive(answer)]).unwrap());
    }
    let (done, stored) = (Written::Done, Written::Stored(0));
    assert_eq!(written, [done, done, stored, done, done]);
    assert_eq!(store.inbox(0, 9, 99).unwrap().len(), 1);
    let resume = store.resume(&peer(1)).unwrap();
    assert_eq!((resume.taken.len(), resume.position), (4, before), "each is known");
}
