//! Which neighbour comes next, and what is learnt.

use super::*;
use crate::limits::{MAX_CARRIED_TRIES, MAX_OWN_TRIES, MAX_PACKET_LIFE, ROUTE_LIFE, ROUTE_PENALTY};
use crate::registry::Place;

fn distance(a: &PublicKey, b: &PublicKey) -> [u8; 32] {
    let place = |key: &PublicKey| {
        Place::of(&[&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], key.as_bytes()].concat())
    };
    place(a).distance(&place(b))
}

#[test]
fn a_neighbour_gets_its_packets_itself_and_others_are_tried_by_distance() {
    let mut rig = Rig::new(20);
    rig.send(7);
    let (id, first, packet) = rig.handed();
    assert_eq!(first, key(7));
    assert_eq!(packet.header.hop_limit, 10);
    rig.refuse(id, Reason::Unanswered);
    let mut tried = vec![first];
    while let (mut handed, _) = rig.drain()
        && let Some((id, next, _)) = handed.pop()
    {
        tried.push(next);
        rig.refuse(id, Reason::NoRoute);
    }
    assert_eq!(tried.len(), MAX_OWN_TRIES);
    let mut others: Vec<_> = (1..=20).filter(|it| *it != 7).map(key).collect();
    others.sort_by_key(|it| distance(it, &key(7)));
    assert_eq!(tried[1..], others[..MAX_OWN_TRIES - 1]);
    let events = rig.events();
    assert!(matches!(events.as_slice(), [Event::Failed { .. }]), "{events:?}");
}

#[test]
fn a_carrier_tries_three_and_never_goes_back() {
    let mut rig = Rig::new(6);
    rig.router.neighbour_up(key(900), rig.now);
    let packet = rig.packet(50, 10);
    rig.bring(1, packet);
    let mut tried = Vec::new();
    let told = loop {
        let (mut handed, mut told) = rig.drain();
        if let Some(told) = told.pop() {
            break told;
        }
        let (id, next, packet) = handed.remove(0);
        assert_eq!(packet.header.hop_limit, 9);
        tried.push(next);
        rig.router.handle_failure(id, rig.now);
    };
    assert_eq!(tried.len(), MAX_CARRIED_TRIES);
    assert!(!tried.contains(&key(1)), "back to where it came from");
    assert!(!tried.contains(&key(900)), "back to its origin");
    assert_eq!(told.1, Outcome::Refused(Reason::Unanswered.into()));
}

#[test]
fn a_carrier_with_nobody_else_left_does_not_go_back() {
    let mut rig = Rig::new(2);
    rig.router.neighbour_up(key(900), rig.now);
    let packet = rig.packet(50, 10);
    rig.bring(1, packet);
    let (id, next, _) = rig.handed();
    assert_eq!(next, key(2));
    rig.refuse(id, Reason::NoRoute);
    let (handed, told) = rig.drain();
    assert!(handed.is_empty());
    assert_eq!(told, [(ExchangeId(0), Outcome::Refused(Reason::NoRoute.into()))]);
}

#[test]
fn nothing_is_tried_when_its_time_is_over() {
    let mut rig = Rig::new(2);
    rig.send(50);
    let (id, _, _) = rig.handed();
    rig.now = rig.now + MAX_PACKET_LIFE;
    rig.refuse(id, Reason::NoRoute);
    assert!(rig.drain().0.is_empty());
    assert!(matches!(rig.events().as_slice(), [Event::Failed { .. }]));
}

#[test]
fn an_answer_teaches_a_route_and_a_failure_unteaches_it() {
    let mut rig = Rig::new(5);
    rig.send(50);
    let (id, nearest, _) = rig.handed();
    rig.refuse(id, Reason::NoRoute);
    let (id, good, _) = rig.handed();
    rig.answer(id, 4);
    assert_eq!(rig.router.hops(&key(50), rig.now.instant), Some(4));
    // Now it comes first.
    rig.send(50);
    let (id, next, _) = rig.handed();
    assert_eq!(next, good);
    rig.refuse(id, Reason::NoRoute);
    // It failed: unknown ones come first, then those that failed.
    assert_eq!(rig.router.hops(&key(50), rig.now.instant), None);
    let (id, next, _) = rig.handed();
    assert!(next != good && next != nearest);
    rig.answer(id, 2);
    rig.events();
    // It ends with its life, and so do failures.
    rig.now = rig.now + ROUTE_LIFE;
    assert_eq!(rig.router.hops(&key(50), rig.now.instant), None);
    rig.now = rig.now + ROUTE_PENALTY;
    rig.send(50);
    assert_eq!(rig.handed().1, nearest);
}

#[test]
fn a_penalty_sends_what_is_under_way_elsewhere_at_once() {
    let mut rig = Rig::new(3);
    rig.send(50);
    let (id, first, _) = rig.handed();
    rig.answer(id, 2);
    rig.send(50);
    assert_eq!(rig.handed().1, first);
    rig.router.penalise(&key(50), rig.now);
    let (id, second, packet) = rig.handed();
    assert_ne!(second, first);
    rig.answer(id, 3);
    let answered = rig.events();
    assert!(
        matches!(answered[1], Event::Answered { packet: id, .. } if id == packet.header.id),
        "{answered:?}"
    );
    rig.send(50);
    assert_eq!(rig.handed().1, second);
}

/// A try that takes long is not given up: whichever answers first counts.
#[test]
fn a_slow_neighbour_gets_company() {
    let mut rig = Rig::new(2);
    let sent = rig.send(50);
    let (slow, first, _) = rig.handed();
    let due = rig.router.poll_timeout().unwrap().since(rig.now.instant);
    assert!((Duration::from_millis(500)..Duration::from_millis(1_500)).contains(&due), "{due:?}");
    rig.pass(u64::try_from(due.as_millis()).unwrap());
    let (quick, second, packet) = rig.handed();
    assert_ne!(first, second);
    assert_ne!(slow, quick, "each is reported by its own id");
    assert_eq!(packet.header.id, sent);
    rig.answer(slow, 5);
    assert!(matches!(rig.events().as_slice(), [Event::Answered { hops: 5, .. }]));
    assert_eq!(rig.router.stats().under_way, 0);
}

/// Ways that are known to be slow get more time, up to four seconds.
#[test]
fn patience_grows_with_what_an_answer_took_before() {
    let mut patience = Duration::ZERO;
    for (millis, least) in [(100, 0), (900, 1_800), (1_900, 3_800), (3_000, 4_000)] {
        let mut rig = Rig::new(2);
        rig.send(50);
        let (id, first, _) = rig.handed();
        rig.now = rig.now + Duration::from_millis(millis);
        rig.answer(id, 2);
        rig.send(50);
        assert_eq!(rig.handed().1, first);
        let now = rig.router.poll_timeout().unwrap().since(rig.now.instant);
        assert!(now > patience && now >= Duration::from_millis(least), "{now:?} after {millis} ms");
        assert!(now <= Duration::from_secs(4));
        patience = now;
    }
}

/// While the newest try is open its elders may fail; once it has failed, the next one is made.
#[test]
fn the_next_try_is_made_when_the_newest_fails() {
    let mut rig = Rig::new(4);
    rig.send(50);
    let (oldest, _, _) = rig.handed();
    let late = rig.router.poll_timeout().unwrap().since(rig.now.instant);
    rig.pass(u64::try_from(late.as_millis()).unwrap());
    let (newer, _, _) = rig.handed();
    rig.refuse(newer, Reason::NoRoute);
    let (newest, _, _) = rig.handed();
    rig.refuse(oldest, Reason::NoRoute);
    assert!(rig.drain().0.is_empty(), "the newest is still open");
    rig.refuse(newest, Reason::NoRoute);
    rig.handed();
}

#[test]
fn a_penalty_leaves_alone_what_is_not_meant() {
    let mut rig = Rig::new(4);
    rig.send(51);
    let packet = rig.packet(50, 10);
    rig.bring(1, packet);
    rig.send(50);
    rig.drain();
    rig.router.penalise(&key(50), rig.now);
    let (_, _, packet) = rig.handed();
    assert_eq!((packet.header.origin, packet.header.destination), (key(0), key(50)));
}

#[test]
fn who_carries_nothing_or_is_over_its_rate_is_left_alone_for_a_while() {
    for refusal in [
        Reason::NotCarrying.into(),
        Refusal { reason: Reason::RateLimited, retry_after: Some(Duration::from_secs(5)) },
    ] {
        let mut rig = Rig::new(2);
        rig.send(50);
        let (id, first, _) = rig.handed();
        rig.router.handle_outcome(id, Outcome::Refused(refusal), rig.now);
        let (id, _, _) = rig.handed();
        rig.answer(id, 2);
        for to in [51, 52, 53] {
            rig.send(to);
            let (id, next, _) = rig.handed();
            assert_ne!(next, first);
            rig.refuse(id, Reason::NoRoute);
            assert!(rig.drain().0.is_empty());
        }
        // What is for itself it gets.
        let own = (1..=2).find(|number| key(*number) == first).unwrap();
        rig.send(own);
        assert_eq!(rig.handed().1, first);
        rig.drain();
        rig.pass(61_000);
        rig.drain();
        let sent = (60..70).map(|to| {
            rig.send(to);
            rig.handed().1
        });
        assert!(sent.collect::<Vec<_>>().contains(&first));
    }
}

#[test]
fn what_a_destination_limits_does_not_keep_it_from_carrying() {
    let mut rig = Rig::new(1);
    rig.send(1);
    let (id, _, _) = rig.handed();
    let retry_after = Some(Duration::from_secs(60));
    let limited = Refusal { reason: Reason::RateLimited, retry_after };
    rig.router.handle_outcome(id, Outcome::Refused(limited), rig.now);
    rig.send(50);
    assert_eq!(rig.handed().1, key(1));
}

#[test]
fn a_lost_neighbour_fails_what_it_had_and_is_forgotten_with_its_routes() {
    let mut rig = Rig::new(2);
    rig.send(50);
    let (id, first, _) = rig.handed();
    rig.answer(id, 2);
    rig.send(50);
    let (id, again, _) = rig.handed();
    assert_eq!(again, first);
    rig.router.neighbour_down(&first, rig.now);
    assert_eq!(rig.router.hops(&key(50), rig.now.instant), None);
    let (_, second, _) = rig.handed();
    assert_ne!(second, first);
    // A late report about it changes nothing.
    rig.router.handle_failure(id, rig.now);
    assert!(rig.drain().0.is_empty());
}

#[test]
fn the_routes_over_a_lost_neighbour_are_gone_though_nothing_was_under_way() {
    let mut rig = Rig::new(1);
    rig.send(50);
    let (id, _, _) = rig.handed();
    rig.answer(id, 2);
    rig.router.neighbour_down(&key(1), rig.now);
    assert_eq!(rig.router.hops(&key(50), rig.now.instant), None);
    assert_eq!(rig.router.stats().routes, 0);
    assert!(!rig.router.has_neighbours());
    rig.router.neighbour_up(key(0), rig.now);
    assert!(!rig.router.has_neighbours(), "nobody is its own neighbour");
}

#[test]
fn a_new_neighbour_gets_nothing_that_is_still_tried_or_of_others() {
    let mut rig = Rig::new(2);
    rig.send(50);
    rig.handed();
    rig.router.neighbour_up(key(3), rig.now);
    assert!(rig.drain().0.is_empty(), "the try is not late");
    let packet = rig.packet(51, 10);
    rig.bring(3, packet);
    let mut handed = rig.drain().0;
    while !handed.is_empty() {
        rig.pass(2_000);
        handed = rig.drain().0;
    }
    rig.router.neighbour_up(key(4), rig.now);
    let to: Vec<_> =
        rig.drain().0.into_iter().map(|(.., packet)| packet.header.destination).collect();
    assert_eq!(to, [key(50)]);
}

#[test]
fn a_new_neighbour_gets_what_nobody_else_was_left_for() {
    let mut rig = Rig::new(1);
    let sent = rig.send(50);
    rig.handed();
    rig.pass(2_000);
    assert!(rig.drain().0.is_empty());
    rig.router.neighbour_up(key(2), rig.now);
    let (id, next, packet) = rig.handed();
    assert_eq!((next, packet.header.id), (key(2), sent));
    rig.answer(id, 2);
    assert!(matches!(rig.events().as_slice(), [Event::Answered { .. }]));
}

#[test]
fn without_any_neighbour_a_packet_fails_at_once() {
    let mut rig = Rig::new(0);
    rig.send(50);
    let events = rig.events();
    let [Event::Failed { refusal, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(refusal.reason, Reason::NoRoute);
}
