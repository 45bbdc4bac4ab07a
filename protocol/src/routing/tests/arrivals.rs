//! Packets for this node: one delivery, however many paths.

use super::*;
use crate::limits::{
    ANSWER_MEMORY, MAX_ARRIVALS, MAX_DUPLICATE_PATHS, MAX_KEPT_ANSWER_BYTES, MAX_KEPT_ANSWERS,
    MAX_PACKET_LIFE,
};

fn arrival(rig: &mut Rig) -> Option<ArrivalId> {
    match rig.events().as_slice() {
        [] => None,
        [Event::Arrived { arrival, .. }] => Some(*arrival),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_duplicate_joins_or_gets_the_same_answer() {
    let mut rig = Rig::new(3);
    let packet = rig.packet(0, 10);
    let first = rig.bring(1, packet.clone());
    let id = arrival(&mut rig).unwrap();
    let second = rig.bring(2, packet.clone());
    assert_eq!(arrival(&mut rig), None);
    rig.router.answer(id, &Bytes::from_static(b"answer"), rig.now);
    let told = rig.drain().1;
    assert_eq!(told.iter().map(|(exchange, _)| *exchange).collect::<Vec<_>>(), [first, second]);
    let third = rig.bring(3, packet.clone());
    assert_eq!(arrival(&mut rig), None);
    let (_, later) = rig.drain();
    assert_eq!(later[0].0, third);
    for (_, outcome) in told.iter().chain(&later) {
        let envelope = Bytes::from_static(b"answer");
        assert_eq!(*outcome, Outcome::Answered { hops: 1, envelope });
    }
    // Another origin's packet with the same id is another packet.
    let mut other = packet.clone();
    other.header.origin = key(901);
    rig.bring(1, other);
    assert!(arrival(&mut rig).is_some());
    // Memory ends.
    rig.pass(u64::try_from(ANSWER_MEMORY.as_millis()).unwrap() - 1);
    rig.drain();
    rig.bring(1, packet.clone());
    assert_eq!(arrival(&mut rig), None);
    rig.pass(1);
    rig.drain();
    rig.bring(1, packet);
    assert!(arrival(&mut rig).is_some());
}

/// Whoever carries a packet knows its header, and may be first with anything under it.
#[test]
fn junk_under_a_packets_header_is_another_packet() {
    for to in [0, 500] {
        let mut rig = Rig::new(3);
        let packet = rig.packet(to, 10);
        let junk = Packet { envelope: Bytes::from_static(b"junk"), ..packet.clone() };
        let mut astray = packet.clone();
        astray.header.destination = key(501);
        for other in [junk, astray] {
            rig.bring(1, other);
            assert_eq!(rig.refusal(), None);
        }
        rig.events();
        let exchange = rig.bring(2, packet.clone());
        let answered = Bytes::from_static(b"answer");
        let hops = match arrival(&mut rig) {
            Some(id) => {
                rig.router.answer(id, &answered, rig.now);
                1
            }
            None => {
                let (handed, _) = rig.drain();
                let (id, ..) = handed
                    .into_iter()
                    .find(|(_, _, it)| {
                        it.envelope == packet.envelope
                            && it.header.destination == packet.header.destination
                    })
                    .unwrap();
                rig.answer(id, 1);
                2
            }
        };
        let outcome = Outcome::Answered { hops, envelope: answered };
        assert_eq!(rig.drain().1, [(exchange, outcome)]);
    }
}

#[test]
fn one_that_is_given_up_may_come_again() {
    let mut rig = Rig::new(2);
    let packet = rig.packet(0, 10);
    rig.bring(1, packet.clone());
    let id = arrival(&mut rig).unwrap();
    rig.router.give_up(id, Reason::Busy.into());
    assert_eq!(rig.refusal().unwrap().reason, Reason::Busy);
    rig.bring(2, packet);
    assert!(arrival(&mut rig).is_some());
}

#[test]
fn who_is_not_answered_is_told_in_time() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.router.poll_timeout(), None, "nothing will ever be due");
    let packet = rig.packet(0, 10);
    rig.bring(1, packet);
    arrival(&mut rig).unwrap();
    assert_eq!(rig.router.poll_timeout(), Some(rig.now.instant + MAX_PACKET_LIFE));
    rig.pass(9_999);
    assert_eq!(rig.refusal(), None);
    rig.pass(1);
    assert_eq!(rig.refusal().unwrap().reason, Reason::Unanswered);
}

#[test]
fn arrivals_are_bounded_in_all_by_neighbour_and_by_paths() {
    let mut rig = Rig::new(8);
    let packet = rig.packet(0, 10);
    for _ in 0..MAX_DUPLICATE_PATHS {
        rig.bring(1, packet.clone());
        assert_eq!(rig.refusal(), None);
    }
    rig.bring(1, packet);
    assert_eq!(rig.refusal().unwrap().reason, Reason::Busy);
    let mut taken = 1;
    for neighbour in 1..=8 {
        for _ in 0..MAX_ARRIVALS {
            let packet = rig.packet(0, 10);
            rig.bring(neighbour, packet);
            match rig.refusal() {
                None => taken += 1,
                Some(refusal) => {
                    assert_eq!(refusal.reason, Reason::Busy);
                    break;
                }
            }
        }
        assert!(taken <= usize::from(neighbour) * MAX_ARRIVALS / 4);
    }
    assert_eq!(taken, MAX_ARRIVALS);
}

#[test]
fn kept_answers_are_bounded_in_bytes_and_in_number() {
    for (len, most) in [(MAX_KEPT_ANSWER_BYTES / 4, 4), (1, MAX_KEPT_ANSWERS)] {
        let mut rig = Rig::new(1);
        let answer = Bytes::from(vec![1; len]);
        let packets: Vec<_> = (0..most + 5).map(|_| rig.packet(0, 10)).collect();
        for packet in &packets {
            rig.bring(1, packet.clone());
            let id = arrival(&mut rig).unwrap();
            rig.router.answer(id, &answer, rig.now);
        }
        for (number, packet) in packets.into_iter().enumerate() {
            rig.bring(1, packet);
            assert_eq!(arrival(&mut rig).is_none(), number >= 5, "{number} of {most}");
        }
    }
}
