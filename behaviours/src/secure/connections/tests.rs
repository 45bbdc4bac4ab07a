use super::*;

const PATIENCE: Duration = Duration::from_secs(2);

fn at(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

/// Two peers, the smaller one first.
fn pair() -> (PeerId, PeerId) {
    let (a, b) = (PeerId::random(), PeerId::random());
    (a.min(b), a.max(b))
}

fn opened(
    connections: &mut Connections,
    peer: PeerId,
    number: usize,
    dialed: bool,
    millis: u64,
) -> Vec<ConnectionId> {
    connections.opened(peer, id(number), Prefix::Other, dialed, at(millis))
}

#[test]
fn of_crossing_dials_that_of_the_smaller_peer_stays_and_only_it_decides() {
    let (small, large) = pair();
    for first in [1, 2] {
        let mut at_small = Connections::new(Some(small), PATIENCE);
        let mut at_large = Connections::new(Some(large), PATIENCE);
        // Number one is dialled by the smaller peer, number two by the larger.
        for number in [first, 3 - first] {
            opened(&mut at_small, large, number, number == 1, 0);
            opened(&mut at_large, small, number, number == 2, 0);
        }
        at_small.heard(large, id(2), at(100));
        at_large.heard(small, id(1), at(100));
        assert_eq!(at_large.next_choice(), None);
        assert_eq!(at_small.surplus(at(999)), None);
        assert_eq!(at_small.surplus(at(1_000)), Some((large, vec![id(2)])));
        at_small.heard(large, id(1), at(1_100));
        assert_eq!(at_small.next_choice(), None, "the other one is closing already");
    }
}

#[test]
fn a_connection_made_much_later_replaces_the_old_one() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(small), PATIENCE);
    opened(&mut connections, large, 1, true, 0);
    connections.heard(large, id(1), at(10));
    opened(&mut connections, large, 2, false, 60_000);
    connections.heard(large, id(2), at(60_010));
    assert_eq!(connections.surplus(at(61_000)), Some((large, vec![id(1)])));
}

/// It may have been made to test an address, and then goes by itself.
#[test]
fn one_that_nobody_uses_replaces_the_old_one_only_after_a_while() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(small), PATIENCE);
    opened(&mut connections, large, 1, true, 0);
    connections.heard(large, id(1), at(10));
    opened(&mut connections, large, 2, false, 60_000);
    assert_eq!(connections.surplus(at(61_000)), Some((large, vec![])));
    assert_eq!(connections.surplus(at(64_999)), None);
    connections.heard(large, id(1), at(64_000));
    assert_eq!(connections.surplus(at(65_000)), Some((large, vec![id(1)])));
    opened(&mut connections, large, 3, false, 70_000);
    connections.closed(&large, id(3));
    assert_eq!(connections.surplus(at(71_000)), Some((large, vec![])));
}

#[test]
fn a_direct_connection_replaces_one_over_a_relay_on_both_sides() {
    let (small, large) = pair();
    let circuit = Prefix::Relay(PeerId::random());
    for (own, peer) in [(small, large), (large, small)] {
        let mut connections = Connections::new(Some(own), PATIENCE);
        connections.opened(peer, id(1), circuit, true, at(0));
        connections.heard(peer, id(1), at(100));
        assert_eq!(connections.next_choice(), None);
        // The relay's neighbour may well win the race again: what counts is not who came first.
        opened(&mut connections, peer, 2, false, 5_000);
        connections.opened(peer, id(3), circuit, true, at(5_500));
        assert_eq!(connections.surplus(at(5_999)), None, "what is under way may end");
        assert_eq!(connections.surplus(at(6_000)), Some((peer, vec![id(1), id(3)])));
    }
}

#[test]
fn a_silent_direct_connection_does_not_replace_one_over_a_relay() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(large), PATIENCE);
    connections.opened(small, id(1), Prefix::Relay(PeerId::random()), true, at(0));
    connections.heard(small, id(1), at(100));
    opened(&mut connections, small, 2, false, 5_000);
    connections.asked(&small, id(2), at(3_000));
    assert_eq!(connections.surplus(at(6_000)), Some((small, vec![])));
}

#[test]
fn a_peer_that_never_spoke_keeps_its_connections() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(small), PATIENCE);
    opened(&mut connections, large, 1, true, 0);
    opened(&mut connections, large, 2, true, 0);
    assert_eq!(connections.surplus(at(1_000)), Some((large, vec![])));
    connections.heard(large, id(1), at(5_000));
    assert_eq!(connections.surplus(at(6_000)).map(|(_, closed)| closed.len()), Some(1));
}

#[test]
fn a_silent_connection_is_closed_once_another_is_alive_and_never_the_last() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(large), PATIENCE);
    opened(&mut connections, small, 1, true, 0);
    opened(&mut connections, small, 2, true, 0);
    connections.asked(&small, id(1), at(100));
    connections.asked(&small, id(2), at(100));
    assert!(connections.dead(&small, at(10_000)).is_empty(), "nothing shows that one is alive");
    connections.heard(small, id(2), at(10_000));
    assert_eq!(connections.dead(&small, at(10_000)), [id(1)]);
    assert!(connections.dead(&small, at(10_000)).is_empty(), "it is closing already");
    connections.asked(&small, id(2), at(10_100));
    assert!(connections.dead(&small, at(20_000)).is_empty());
    assert!(!connections.closed(&small, id(1)));
    assert!(connections.closed(&small, id(2)));
    assert!(!connections.is_connected(&small));
}

#[test]
fn a_new_connection_takes_the_place_of_silent_ones() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(large), PATIENCE);
    opened(&mut connections, small, 1, true, 0);
    connections.asked(&small, id(1), at(0));
    assert!(opened(&mut connections, small, 2, true, 1_999).is_empty());
    assert_eq!(opened(&mut connections, small, 3, true, 2_000), [id(1)]);
    assert!(connections.suspect(&small).is_empty(), "none carries a request");
    connections.alive(&small, id(3));
    assert_eq!(opened(&mut connections, small, 4, true, 2_100), [id(2)]);
}

#[test]
fn of_a_peer_that_does_not_answer_the_connections_that_were_asked_go_first() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(large), PATIENCE);
    opened(&mut connections, small, 1, true, 0);
    opened(&mut connections, small, 2, true, 0);
    connections.asked(&small, id(1), at(100));
    assert_eq!(connections.suspect(&small), [id(1)]);
    connections.closed(&small, id(1));
    connections.asked(&small, id(2), at(2_100));
    assert!(connections.suspect(&small).is_empty(), "it is the last");
}

#[test]
fn a_handshake_on_a_new_connection_closes_those_from_before_a_restart() {
    let (small, large) = pair();
    let mut connections = Connections::new(Some(large), PATIENCE);
    opened(&mut connections, small, 1, true, 0);
    connections.heard(small, id(1), at(100));
    opened(&mut connections, small, 2, false, 1_000);
    assert!(connections.restarted(&small, id(2)).is_empty(), "the dials may have crossed");
    opened(&mut connections, small, 3, false, 10_000);
    connections.heard(small, id(2), at(10_100));
    assert_eq!(connections.restarted(&small, id(3)), [id(1)], "the second is in use");
}
