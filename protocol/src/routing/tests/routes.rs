//! What is remembered of ways.

use super::*;
use crate::limits::{MAX_ROUTED_DESTINATIONS, MAX_ROUTES, ROUTE_LIFE, ROUTE_PENALTY};
use crate::routing::routes::{Routes, Standing};

const NOW: Instant = START.instant;
const TOOK: Duration = Duration::from_millis(100);

fn over(routes: &Routes, destination: u16, now: Instant) -> Vec<PublicKey> {
    routes.to(&key(destination), now).map(|route| route.neighbour).collect()
}

#[test]
fn the_newest_proof_comes_first_and_each_neighbour_once() {
    let mut routes = Routes::default();
    let learn = |routes: &mut Routes, neighbour| {
        routes.learn(key(50), key(neighbour), 2, TOOK, NOW);
        over(routes, 50, NOW)
    };
    assert_eq!(learn(&mut routes, 1), [key(1)]);
    assert_eq!(learn(&mut routes, 2), [key(2), key(1)]);
    assert_eq!(learn(&mut routes, 1), [key(1), key(2)]);
    for neighbour in 3..=6 {
        assert!(learn(&mut routes, neighbour).len() <= MAX_ROUTES);
    }
    assert_eq!(over(&routes, 50, NOW), [6, 5, 4, 3].map(key), "the oldest proofs give way");
    assert!(over(&routes, 50, NOW + ROUTE_LIFE).is_empty());
    assert_eq!(over(&routes, 50, NOW + ROUTE_LIFE - Duration::from_millis(1)).len(), 4);
}

#[test]
fn nothing_leads_over_a_neighbour_that_is_gone_and_the_rest_stays() {
    let mut routes = Routes::default();
    for (destination, neighbour) in [(50, 1), (50, 2), (51, 1), (52, 2)] {
        routes.learn(key(destination), key(neighbour), 2, TOOK, NOW);
    }
    assert_eq!(routes.len(), 3);
    routes.forget(&key(1));
    let left = [50, 51, 52].map(|destination| over(&routes, destination, NOW));
    assert_eq!(left, [vec![key(2)], vec![], vec![key(2)]]);
    assert_eq!(routes.len(), 2);
    routes.fail(key(50), key(2), NOW);
    assert_eq!(routes.len(), 1);
}

#[test]
fn routes_are_bounded_in_number() {
    let mut routes = Routes::default();
    for destination in 0..=MAX_ROUTED_DESTINATIONS as u16 {
        routes.learn(key(destination), key(1), 2, TOOK, NOW);
    }
    assert_eq!(routes.len(), MAX_ROUTED_DESTINATIONS);
    assert!(over(&routes, 0, NOW).is_empty(), "the one asked for least recently is forgotten");
}

#[test]
fn a_failure_is_forgotten_in_time_or_with_an_answer() {
    let mut routes = Routes::default();
    let end = NOW + ROUTE_PENALTY;
    routes.fail(key(50), key(1), NOW);
    let standing = |routes: &Routes, now| routes.standing(&key(50), &key(1), now);
    assert_eq!(standing(&routes, end - Duration::from_millis(1)), Standing::Failed(end));
    assert_eq!(standing(&routes, end), Standing::Unknown);
    assert_eq!(routes.standing(&key(51), &key(1), NOW), Standing::Unknown, "elsewhere");
    routes.learn(key(50), key(1), 3, TOOK, NOW);
    assert_eq!(standing(&routes, NOW), Standing::Proven(3));
    assert_eq!(standing(&routes, NOW + ROUTE_LIFE), Standing::Unknown);
}
