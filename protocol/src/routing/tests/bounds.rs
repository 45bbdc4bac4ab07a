//! What a neighbour can make a router do and hold.

use super::*;
use crate::limits::{
    MAX_CARRIED_BYTES, MAX_ENVELOPE_LEN, MAX_PACKET_LIFE, MAX_PACKETS, MAX_PACKETS_PER_NEIGHBOUR,
    MAX_SEEN_PACKETS, PACKET_MEMORY,
};
use crate::rate_limit::Quota;
use crate::routing::seen::Seen;

/// So much that only bounds other than rates are met.
const RICH: Quota = Quota { per_minute: 1_000_000, burst: 1_000_000 };

fn rich() -> Config {
    let quotas = Quotas { carried: RICH, brought: RICH, bytes: RICH };
    Config { quotas, ..Config::default() }
}

fn taken(rig: &mut Rig, neighbour: u16, len: usize, most: usize) -> (usize, Option<Refusal>) {
    for count in 0..most {
        let packet = rig.packet(500, len);
        rig.bring(neighbour, packet);
        if let Some(refusal) = rig.refusal() {
            return (count, Some(refusal));
        }
    }
    (most, None)
}

#[test]
fn packets_under_way_are_bounded_by_neighbour_and_in_all() {
    let mut rig = Rig::with(60, rich());
    let mut all = 0;
    for neighbour in 1..=30 {
        let (count, refusal) = taken(&mut rig, neighbour, 10, 1_000);
        assert_eq!(refusal.unwrap().reason, Reason::Busy);
        assert!(count <= MAX_PACKETS_PER_NEIGHBOUR);
        all += count;
    }
    assert_eq!(all, MAX_PACKETS);
    // Own ones still go, up to as many.
    for _ in 0..MAX_PACKETS {
        rig.send(501);
    }
    let envelope = Bytes::from_static(b"one too many");
    let sent = rig.router.send(key(501), envelope, &mut rig.rng, rig.now);
    assert_eq!(sent, Err(TooMuch));
    // All of it ends by itself.
    rig.pass(u64::try_from(MAX_PACKET_LIFE.as_millis()).unwrap());
    assert_eq!(rig.router.stats().under_way, 0);
}

/// As much as is allowed in all, to the last byte, and again when it is done with.
#[test]
fn bytes_under_way_are_bounded() {
    let mut rig = Rig::with(60, rich());
    for _ in 0..2 {
        let (mut ids, mut neighbours) = (Vec::new(), (1..=30).cycle());
        let mut fill = |rig: &mut Rig, ids: &mut Vec<_>, mut free: usize| {
            while free > 0 {
                let packet = rig.packet(500, free.min(MAX_ENVELOPE_LEN));
                free -= packet.envelope.len();
                rig.bring(neighbours.next().unwrap(), packet);
                let (id, _, packet) = rig.handed();
                ids.push((id, packet.envelope.len()));
            }
            assert_eq!(taken(rig, 40, 1, 1).1.unwrap().reason, Reason::Busy);
        };
        fill(&mut rig, &mut ids, MAX_CARRIED_BYTES);
        // One that ends makes as much room as it took.
        let (id, len) = ids.remove(0);
        rig.answer(id, 2);
        rig.drain();
        fill(&mut rig, &mut ids, len);
        ids.into_iter().for_each(|(id, _)| rig.answer(id, 2));
        rig.drain();
    }
}

#[test]
fn own_packets_take_no_room_of_others_and_make_room_when_they_end() {
    let mut rig = Rig::with(60, rich());
    for _ in 0..2 {
        for _ in 0..MAX_PACKETS {
            rig.send(501);
        }
        assert_eq!(rig.router.send(key(501), Bytes::new(), &mut rig.rng, rig.now), Err(TooMuch));
        let ids: Vec<_> = rig.drain().0.into_iter().map(|(id, ..)| id).collect();
        assert_eq!(taken(&mut rig, 1, 10, 1), (1, None));
        ids.into_iter().for_each(|id| rig.answer(id, 2));
        assert_eq!(rig.events().len(), MAX_PACKETS);
    }
}

#[test]
fn one_neighbour_has_so_many_packets_under_way_and_no_more() {
    let mut rig = Rig::with(1, rich());
    let ids: Vec<_> = (0..64)
        .map(|_| {
            rig.send(500);
            // That it is there is said again: it counts for nothing.
            rig.router.neighbour_up(key(1), rig.now);
            rig.handed().0
        })
        .collect();
    rig.send(500);
    assert!(rig.drain().0.is_empty());
    assert!(matches!(rig.events().as_slice(), [Event::Failed { .. }]));
    rig.answer(ids[0], 2);
    rig.send(500);
    rig.handed();
}

#[test]
fn each_try_costs_whoever_brought_the_packet_a_token() {
    let quotas = Quotas { carried: Quota { per_minute: 60, burst: 4 }, ..Quotas::default() };
    let mut rig = Rig::with(6, Config { quotas, ..Config::default() });
    let packet = rig.packet(500, 10);
    rig.bring(1, packet);
    for _ in 0..3 {
        let (id, _, _) = rig.handed();
        rig.refuse(id, Reason::NoRoute);
    }
    assert_eq!(rig.refusal().unwrap().reason, Reason::NoRoute);
    // One token is left: the next packet gets one try.
    let packet = rig.packet(501, 10);
    rig.bring(1, packet);
    let (id, _, _) = rig.handed();
    rig.refuse(id, Reason::NoRoute);
    assert_eq!(rig.refusal().unwrap().reason, Reason::NoRoute);
    // None is left. A packet that is refused for that is not remembered, and may come again.
    let packet = rig.packet(502, 10);
    rig.bring(1, packet.clone());
    let refusal = rig.refusal().unwrap();
    assert_eq!(refusal.reason, Reason::RateLimited);
    let wait = refusal.retry_after.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    rig.pass(u64::try_from(wait.as_millis()).unwrap() + 1);
    rig.bring(1, packet);
    rig.handed();
    // Another neighbour pays for itself, and this node for nothing.
    let packet = rig.packet(503, 10);
    rig.bring(2, packet);
    rig.handed();
    for to in 510..560 {
        rig.send(to);
    }
    assert_eq!(rig.drain().0.len(), 50);
}

#[test]
fn bytes_cost_too_and_a_refused_packet_costs_nothing() {
    let quotas = Quotas { bytes: Quota { per_minute: 60, burst: 10 }, ..Quotas::default() };
    let mut rig = Rig::with(3, Config { quotas, ..Config::default() });
    let (large, small) = (rig.packet(500, 8 * 16_384), rig.packet(501, 16_385));
    rig.bring(1, large.clone());
    rig.handed();
    let mut again = large;
    again.header.id = PacketId::from_bytes([1; 16]);
    rig.bring(1, again);
    assert_eq!(rig.refusal().unwrap().reason, Reason::RateLimited);
    rig.bring(1, small);
    rig.handed();
    let arrival = rig.packet(0, 1);
    rig.bring(1, arrival);
    assert_eq!(rig.refusal().unwrap().reason, Reason::RateLimited, "arrivals draw on it as well");
}

#[test]
fn what_was_here_is_remembered_for_longer_than_any_clock_finds_it_alive() {
    let mut rig = Rig::new(3);
    let mut packet = rig.packet(500, 10);
    // By the clock of its origin, which is ahead by all that is allowed.
    packet.header.expiry = rig.now.timestamp + MAX_PACKET_LIFE + Duration::from_secs(60);
    rig.bring(1, packet.clone());
    let (id, _, _) = rig.handed();
    rig.refuse(id, Reason::NoRoute);
    let (id, _, _) = rig.handed();
    rig.refuse(id, Reason::NoRoute);
    rig.drain();
    loop {
        rig.bring(2, packet.clone());
        match rig.refusal().unwrap().reason {
            Reason::Seen => {}
            Reason::Expired => break,
            other => panic!("{other:?}"),
        }
        // Others come, so that old ones are swept out.
        rig.pass(1_000);
        let other = rig.packet(501, 10);
        rig.bring(1, other);
        let (handed, _) = rig.drain();
        handed.into_iter().for_each(|(id, _, _)| rig.answer(id, 1));
        rig.drain();
    }
    let alive = rig.now.instant.since(START.instant);
    assert!(alive >= Duration::from_secs(129) && alive < PACKET_MEMORY, "{alive:?}");
}

#[test]
fn memory_of_packets_is_bounded_in_number_and_time() {
    let mut rig = Rig::new(1);
    let mut seen = Seen::default();
    let mut mark = || rig.packet(500, 1).mark();
    let marks: Vec<_> = (0..MAX_SEEN_PACKETS + 10).map(|_| mark()).collect();
    marks.iter().for_each(|mark| seen.insert(*mark, START.instant));
    assert_eq!(seen.len(), MAX_SEEN_PACKETS);
    assert!(!seen.contains(&marks[9]) && seen.contains(&marks[10]));
    seen.insert(mark(), START.instant + PACKET_MEMORY);
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_node_that_does_not_carry_says_so_and_still_takes_in_and_sends() {
    let mut rig = Rig::with(2, Config { carry: false, ..Config::default() });
    let packet = rig.packet(500, 10);
    rig.bring(1, packet);
    assert_eq!(rig.refusal().unwrap().reason, Reason::NotCarrying);
    let packet = rig.packet(0, 10);
    rig.bring(1, packet);
    assert!(matches!(rig.events().as_slice(), [Event::Arrived { .. }]));
    rig.send(500);
    rig.handed();
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let alive = |millis: i64| {
        let mut rig = Rig::new(2);
        let mut packet = rig.packet(500, 10);
        let expiry = i64::try_from(START.timestamp.as_millis()).unwrap() + millis;
        packet.header.expiry = Timestamp::from_millis(u64::try_from(expiry).unwrap());
        rig.bring(1, packet);
        rig.refusal().is_none_or(|refusal| refusal.reason != Reason::Expired)
    };
    for (millis, expected) in
        [(-60_000, false), (-59_999, true), (10_000, true), (70_000, true), (70_001, false)]
    {
        assert_eq!(alive(millis), expected, "{millis}");
    }
}
