//! What is kept is bounded.

use peer_protocol::delivery::{Status, Step};
use peer_protocol::limits::MAX_TAKEN_IDS;

use super::super::keeping::{KEPT, MAX_SETTLED};
use super::super::steps::MAX_STEPS;
use super::*;
use crate::store::{Filter, Found, Written};

fn settled() -> Filter {
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
    assert!(store.commit(&writes).unwrap().iter().all(|written| *written == Written::Done));
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
    let most = usize::try_from(MAX_SETTLED).unwrap();
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
        assert_eq!(store.find(&id.to_string(), 2).unwrap(), []);
    }
    // Nothing is owed for what is forgotten.
    let resume = store.resume(&peer(2)).unwrap();
    assert_eq!(resume.owed.len(), most / 2);
    assert!(resume.taken.iter().all(|(_, taken)| *taken));
    // Number and stream go on all the same.
    assert_eq!(resume.position, before);
    let later = at(2 * MAX_SETTLED) + KEPT;
    let (mut late, id) =
        (outgoing(&mut rng, peer(1), 2 * MAX_SETTLED, 1), MessageId::random(&mut rng));
    (late.message.id, late.created) = (id, later);
    store.commit(&[Write::Accept(late)]).unwrap();
    assert_eq!(records(&store), (1, 0), "what waits stays");
    let found = store.find(&id.to_string(), 2).unwrap();
    assert!(matches!(&found[..], [Found::Outgoing(record)] if record.created == later));
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
        let found = store.find(&id.to_string()[..6], 2).unwrap().pop().unwrap();
        store.trace(found).unwrap().steps
    };
    let expected = [
        (at(1_000), Step::Accepted),
        (at(1_001), Step::GivenToLink),
        (at(1_002), Step::Transmitted { attempt: 1 }),
        (at(1_003), Step::Became(status)),
    ];
    assert_eq!(trace(), expected);
    // One that is sent again for days does not fill the trail.
    let again: Vec<_> =
        (2..5_000).map(|attempt| step(Step::Transmitted { attempt }, at(2_000))).collect();
    store.commit(&again).unwrap();
    assert_eq!(trace().len(), 4 + 3 + 10);
    for millis in 0..MAX_STEPS + 1 {
        let id = MessageId::random(&mut rng);
        store.commit(&[Write::Step { id, step: Step::Handed, at: at(millis) }]).unwrap();
    }
    assert_eq!(trace().len(), 2, "only what the record tells");
}
