//! Peers that are long gone are forgotten, and no others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer_behaviours::Clock;
use peer_protocol::delivery::{Outbox, Status};
use peer_protocol::time::{Instant, Now};
use redb::ReadableTableMetadata as _;

use super::super::gone::GONE;
use super::super::keeping::KEPT;
use super::*;
use crate::store::{Change, Writer};

const HOUR: Duration = Duration::from_secs(3_600);

fn run_on(store: &Store, time: Duration) {
    store.transact(|tables| tables.delivery()?.run_on(time)).unwrap();
}

/// Rows of senders, of their ids, of receivers, and of the ages of all.
fn rows(store: &Store) -> [u64; 4] {
    store
        .transact(|tables| {
            let it = tables.delivery()?;
            Ok([it.places_table.len()?, it.taken.len()?, it.streams_table.len()?, it.ages.len()?])
        })
        .unwrap()
}

/// A sender whose three messages were taken, and knows it.
fn past(store: &Store, rng: &mut StdRng, peer: PublicKey) -> Position {
    let (mut before, mut ids) = (Position::default(), Vec::new());
    for _ in 0..3 {
        let arrival = arrival(rng, peer, &before, 5);
        before = arrival.after.clone();
        ids.push(arrival.message.id);
        store.commit(&[Write::Arrive(arrival)]).unwrap();
    }
    let messages = ids.iter().map(|id| (peer, *id)).collect();
    store.commit(&[Write::Take { messages, at: at(1) }]).unwrap();
    store.commit(&[Write::Told { peer, messages: ids }]).unwrap();
    before
}

#[test]
fn a_sender_is_forgotten_when_it_has_been_gone_for_long_and_not_before() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let position = past(&store, &mut rng, peer(1));
    // Another one still sends, now and then.
    let mut other = past(&store, &mut rng, peer(2));
    for _ in 0..GONE.as_secs() / HOUR.as_secs() / 10 - 1 {
        run_on(&store, 10 * HOUR);
        let arrival = arrival(&mut rng, peer(2), &other, 5);
        other = arrival.after.clone();
        let messages = vec![(peer(2), arrival.message.id)];
        let told = Write::Told { peer: peer(2), messages: vec![arrival.message.id] };
        let take = Write::Take { messages, at: at(1) };
        store.commit(&[Write::Arrive(arrival), take, told]).unwrap();
    }
    let resume = store.resume(&peer(1)).unwrap();
    assert_eq!((resume.position, resume.taken.len()), (position, 3), "a copy may still come");
    let ids = rows(&store)[1];
    run_on(&store, 20 * HOUR);
    assert_eq!(store.resume(&peer(1)).unwrap(), Default::default());
    assert_eq!(rows(&store), [1, ids - 3, 0, 1]);
    assert_eq!(store.resume(&peer(2)).unwrap().position, other);
    // It may come back, as a stranger.
    past(&store, &mut rng, peer(1));
    assert_eq!(rows(&store), [2, ids, 0, 2]);
}

#[test]
fn of_a_sender_of_whom_something_is_kept_nothing_is_forgotten() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    // The agent of one has not taken a message, and one does not know yet that its message was taken.
    let waits = arrival(&mut rng, peer(1), &Position::default(), 5);
    let owed = arrival(&mut rng, peer(2), &Position::default(), 5);
    let known = [waits.after.clone(), owed.after.clone()];
    let (waiting, taken) = (waits.message.id, owed.message.id);
    store.commit(&[Write::Arrive(waits), Write::Arrive(owed)]).unwrap();
    run_on(&store, GONE - KEPT);
    store.commit(&[Write::Take { messages: vec![(peer(2), taken)], at: at(1) }]).unwrap();
    // So that it is the age of its row that counts.
    store
        .transact(|tables| Ok(tables.delivery()?.ages.insert(peer(2).as_bytes(), 0).map(drop)?))
        .unwrap();
    run_on(&store, KEPT - HOUR);
    run_on(&store, HOUR / 2);
    let positions = |store: &Store| [1, 2].map(|seed| store.resume(&peer(seed)).unwrap().position);
    assert_eq!(positions(&store), known);
    run_on(&store, GONE);
    assert_eq!(positions(&store)[0], known[0], "for as long as that is so");
    let take = Write::Take { messages: vec![(peer(1), waiting)], at: at(1) };
    let told = Write::Told { peer: peer(1), messages: vec![waiting] };
    store.commit(&[take, told]).unwrap();
    run_on(&store, GONE);
    assert_eq!(rows(&store), [0; 4]);
}

/// Otherwise a clock that is set wrong once would let messages in twice.
#[test]
fn a_wall_clock_that_leaps_ahead_makes_nobody_forgotten_and_lets_no_receipt_go() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let first = arrival(&mut rng, peer(1), &Position::default(), 5);
    let (id, position) = (first.message.id, first.after.clone());
    let take = Write::Take { messages: vec![(peer(1), id)], at: at(1) };
    store.commit(&[Write::Arrive(first), take]).unwrap();
    let mut late = arrival(&mut rng, peer(2), &Position::default(), 5);
    late.at = at(100 * 365 * 86_400_000);
    store.commit(&[Write::Arrive(late)]).unwrap();
    run_on(&store, HOUR);
    let resume = store.resume(&peer(1)).unwrap();
    assert_eq!((resume.position, resume.owed), (position, vec![id]));
}

#[test]
fn a_receiver_is_forgotten_at_a_start_and_its_numbers_are_not_given_again() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    for (seed, sent) in [(1, 7), (2, 3), (3, 1)] {
        let stream = StreamId::random(&mut rng);
        store.commit(&[Write::Stream { peer: peer(seed), stream }]).unwrap();
        for number in 0..sent {
            let outgoing = outgoing(&mut rng, peer(seed), number, 10);
            let (peer, id, status) = (peer(seed), outgoing.message.id, Status::Delivered);
            store.commit(&[Write::Accept(outgoing)]).unwrap();
            // The third still waits.
            if seed != 3 {
                store.commit(&[Write::Became { peer, number, id, status, at: at(1) }]).unwrap();
            }
        }
    }
    let known = |store: &Store| -> Vec<_> {
        store.saved().unwrap().into_iter().map(|saved| saved.peer).collect()
    };
    run_on(&store, KEPT - HOUR);
    assert_eq!(store.forget_receivers().unwrap(), 0);
    assert_eq!(known(&store).len(), 3);
    // Records of what was sent go first.
    run_on(&store, GONE - KEPT);
    assert_eq!(store.forget_receivers().unwrap(), 0);
    run_on(&store, HOUR);
    assert_eq!(store.forget_receivers().unwrap(), 7);
    assert_eq!(known(&store), [peer(3)]);
    assert_eq!(rows(&store), [0, 0, 1, 1]);
    assert_eq!(store.forget_receivers().unwrap(), 7, "that stays");
    let rng = Box::new(StdRng::seed_from_u64(2));
    let mut outbox = Outbox::new(store.saved().unwrap(), rng, at(1)).beginning_at(7);
    let now = Now { instant: Instant::default(), timestamp: at(1) };
    let mut messages = StdRng::seed_from_u64(3);
    for (seed, number) in [(2, 7), (3, 1)] {
        let message = message(&mut messages, 1);
        outbox.accept(peer(seed), message, HOUR, now).unwrap();
        let Some(peer_protocol::delivery::Effect::Write { writes, .. }) = outbox.poll_effect()
        else {
            panic!("nothing is written")
        };
        let Some(Write::Accept(accepted)) = writes.last() else { panic!("{writes:?}") };
        assert_eq!(accepted.number, number);
        store.commit(&writes).unwrap();
    }
}

/// Rows of former versions have no age: they count from the first start.
#[test]
fn peers_of_a_former_version_age_from_now_on() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    past(&store, &mut rng, peer(1));
    store
        .transact(|tables| Ok(tables.delivery()?.ages.remove(peer(1).as_bytes()).map(drop)?))
        .unwrap();
    run_on(&store, 2 * GONE);
    assert_eq!(rows(&store)[0], 1);
    store.forget_receivers().unwrap();
    run_on(&store, GONE - HOUR);
    assert_eq!(rows(&store)[0], 1);
    run_on(&store, HOUR);
    assert_eq!(rows(&store), [0; 4]);
}

#[derive(Debug)]
struct Jumping(Mutex<Duration>);

impl Clock for Jumping {
    fn now(&self) -> Now {
        let instant = Instant::from_start(*self.0.lock().unwrap());
        Now { instant, timestamp: at(1_000) }
    }
}

#[tokio::test]
async fn the_writing_thread_counts_for_how_long_the_node_runs() {
    let store = Store::in_memory().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    past(&store, &mut rng, peer(1));
    let clock = Arc::new(Jumping(Mutex::new(HOUR)));
    let mut writer = Writer::start(store.clone(), Arc::clone(&clock) as _).unwrap();
    for (time, left) in [(HOUR / 2, 1), (GONE - HOUR, 1), (HOUR / 2, 1), (HOUR, 0)] {
        *clock.0.lock().unwrap() += time;
        writer.write([Change::Salt([1; 32])]);
        while writer.is_behind() {
            tokio::task::yield_now().await;
        }
        // What it takes up next is written after that.
        let written = writer.submitter().submit_alone(Vec::new()).unwrap();
        assert_eq!(written.await, Ok(Ok(())));
        assert_eq!(store.senders().unwrap().len(), left, "{time:?}");
    }
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
}
