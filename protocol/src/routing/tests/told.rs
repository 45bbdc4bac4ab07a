//! What whoever waits is told, and what is counted of it.

use super::*;
use crate::limits::{MAX_HOPS, MAX_PACKET_LIFE};

#[test]
fn an_own_packet_says_where_it_comes_from_and_how_long_it_lives() {
    let mut rig = Rig::new(1);
    let id = rig.send(50);
    let (_, _, packet) = rig.handed();
    let expected = Header {
        id,
        origin: key(0),
        destination: key(50),
        hop_limit: MAX_HOPS,
        expiry: START.timestamp + MAX_PACKET_LIFE,
    };
    assert_eq!((packet.header, &packet.envelope[..]), (expected, &b"envelope"[..]));
}

/// Together with what is remembered this ends every loop.
#[test]
fn a_packet_on_its_last_hop_is_for_its_destination_alone() {
    for (limit, carried) in [(0, false), (1, false), (2, true), (MAX_HOPS, true), (11, false)] {
        let mut rig = Rig::new(2);
        let mut packet = rig.packet(500, 10);
        packet.header.hop_limit = limit;
        rig.bring(1, packet.clone());
        if carried {
            assert_eq!(rig.handed().2.header.hop_limit, limit - 1);
        } else {
            assert_eq!(rig.refusal().unwrap().reason, Reason::HopLimit, "{limit}");
        }
        packet.header.destination = key(0);
        rig.bring(1, packet);
        assert!(matches!(rig.events().as_slice(), [Event::Arrived { .. }]));
    }
}

#[test]
fn an_answer_has_made_one_hop_at_least_and_no_more_than_any_packet_may() {
    for (hops, taken) in [(0, false), (1, true), (MAX_HOPS, true), (MAX_HOPS + 1, false)] {
        let mut rig = Rig::new(1);
        rig.send(50);
        let (id, _, _) = rig.handed();
        rig.answer(id, hops);
        match rig.events().as_slice() {
            [Event::Answered { hops: told, .. }] if taken => assert_eq!(*told, hops),
            [Event::Failed { .. }] if !taken => {}
            other => panic!("{hops} hops: {other:?}"),
        }
        assert_eq!(rig.router.hops(&key(50), rig.now.instant), taken.then_some(hops));
    }
}

#[test]
fn an_answer_that_came_too_far_is_not_passed_on() {
    for (hops, expected) in [(1, Some(2)), (MAX_HOPS - 1, Some(MAX_HOPS)), (MAX_HOPS, None)] {
        let mut rig = Rig::new(2);
        let packet = rig.packet(50, 10);
        rig.bring(1, packet);
        let (id, _, _) = rig.handed();
        rig.answer(id, hops);
        let envelope = Bytes::from_static(b"answer");
        let expected = match expected {
            Some(hops) => Outcome::Answered { hops, envelope },
            None => Outcome::Refused(Reason::HopLimit.into()),
        };
        assert_eq!(rig.drain().1, [(ExchangeId(0), expected)]);
    }
}

#[test]
fn garbage_is_refused_for_what_is_wrong_with_it() {
    let mut rig = Rig::new(1);
    rig.router.refuse_garbage(ExchangeId(7), &HopError::Truncated);
    rig.router.refuse_garbage(ExchangeId(8), &HopError::TooLong { len: 1 << 30 });
    let refused = |reason: Reason| Outcome::Refused(reason.into());
    let expected =
        [(ExchangeId(7), refused(Reason::Malformed)), (ExchangeId(8), refused(Reason::TooLarge))];
    assert_eq!(rig.drain().1, expected);
}

#[test]
fn what_happened_is_counted() {
    let mut rig = Rig::new(3);
    assert!(rig.router.has_neighbours());
    for hops in [2, 3] {
        rig.send(50);
        let (id, _, _) = rig.handed();
        rig.answer(id, hops);
        let packet = rig.packet(60, 100);
        rig.bring(1, packet);
        let (id, _, _) = rig.handed();
        rig.answer(id, hops);
        rig.drain();
    }
    for to in [51, 52] {
        rig.send(to);
        for _ in 0..3 {
            let (handed, _) = rig.drain();
            handed.into_iter().for_each(|(id, ..)| rig.refuse(id, Reason::NoRoute));
        }
    }
    for _ in 0..2 {
        let mut packet = rig.packet(70, 10);
        packet.header.hop_limit = 1;
        rig.bring(1, packet);
    }
    rig.send(50);
    let stats = rig.router.stats();
    assert_eq!((stats.answered, stats.failed, stats.tries), (2, 2, 4 + 6 + 1));
    assert_eq!((stats.carried, stats.carried_bytes), (2, 2 * (100 + b"answer".len() as u64)));
    assert_eq!(stats.refused, [(Reason::HopLimit, 2)]);
    assert_eq!((stats.neighbours, stats.routes, stats.under_way, stats.remembered), (3, 2, 1, 2));
}
