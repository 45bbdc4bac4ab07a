//! Messages that wait for company while requests are in flight.

use super::super::requests::Content;
use super::*;

/// How many messages each request in flight carries, the oldest first; takes the transmits out.
fn in_flight(pair: &mut Pair) -> Vec<usize> {
    while pair.links[0].poll_transmit().is_some() {}
    let mut requests: Vec<_> = pair.links[0].in_flight.iter().collect();
    requests.sort_by_key(|(id, _)| **id);
    let count = |content: &Content| match content {
        Content::Sealed { messages, .. } => messages.len(),
        Content::Step { .. } => panic!("the handshake is over"),
    };
    requests.into_iter().map(|(_, content)| count(content)).collect()
}

fn ready() -> Pair {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    pair.now = pair.now + Duration::from_secs(1);
    pair
}

#[test]
fn the_first_two_go_at_once_and_others_together_a_little_later() {
    let mut pair = ready();
    for _ in 0..10 {
        pair.send(0, task("x"), None);
    }
    assert_eq!(in_flight(&mut pair), [1, 1]);
    let due = pair.links[0].poll_timeout(pair.now.instant).unwrap();
    assert_eq!(due, (pair.now + Duration::from_millis(2)).instant, "no longer than that");
    pair.now = pair.now + Duration::from_millis(2);
    pair.links[0].handle_timeout(pair.now);
    assert_eq!(in_flight(&mut pair), [1, 1, 8]);
}

#[test]
fn an_answer_sends_what_has_gathered() {
    let mut pair = ready();
    for _ in 0..10 {
        pair.send(0, task("x"), None);
    }
    assert_eq!(in_flight(&mut pair), [1, 1]);
    let oldest = *pair.links[0].in_flight.keys().min().unwrap();
    pair.links[0].handle_failure(oldest, pair.now);
    assert_eq!(in_flight(&mut pair), [1, 9], "with the one that failed");
}

#[test]
fn many_at_once_go_in_two_halves_and_a_full_batch_waits_for_nothing() {
    let mut pair = ready();
    let queue = |pair: &mut Pair, count: usize| {
        for _ in 0..count {
            let message = Message::new(&mut pair.ids, &task("x").into(), None).unwrap();
            let deadline = pair.now.instant + Duration::from_secs(60);
            pair.links[0].queue(message, deadline).unwrap();
        }
        pair.links[0].flush(pair.now);
    };
    queue(&mut pair, 64);
    assert_eq!(in_flight(&mut pair), [32, 32]);
    queue(&mut pair, 63);
    assert_eq!(in_flight(&mut pair), [32, 32]);
    queue(&mut pair, 1);
    assert_eq!(in_flight(&mut pair), [32, 32, 64]);
}
