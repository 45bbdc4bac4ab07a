//! Many senders in one room.

use super::*;
use crate::delivery::Order;
use crate::id::MessageId;
use crate::message::MessageKind;

const KIB: usize = 1 << 10;

fn uuid(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[6] = 0x40;
    bytes[8] = 0x80;
    bytes[9..16].copy_from_slice(&number.to_be_bytes()[1..]);
    bytes
}

fn message(number: u64, len: usize) -> Message {
    let stream = StreamId::from_bytes(uuid(0)).unwrap();
    let order = Some(Order { after: Some(number - 1), number, stream });
    let id = MessageId::from_bytes(uuid(number)).unwrap();
    let body = vec![0; len].into();
    Message { id, kind: MessageKind::Task, in_reply_to: None, order, body }
}

/// As much as a sender can have held at most.
fn fill(held: &mut Held) {
    for number in 1..=64 {
        held.insert(message(number, 64 * KIB));
    }
}

#[test]
fn what_is_held_of_all_senders_is_bounded_whatever_is_held_of_each() {
    let room = HeldRoom::default();
    let mut all: Vec<_> = (0..100).map(|_| Held::within(room.clone())).collect();
    for held in &mut all {
        fill(held);
        assert!(room.used() <= MAX_ALL_HELD_BYTES);
    }
    let bytes: usize = all.iter().map(|held| held.len().1).sum();
    assert!((MAX_ALL_HELD_BYTES / 2..=MAX_ALL_HELD_BYTES).contains(&bytes), "{bytes}");
    // Messages without bodies take memory as well.
    let room = HeldRoom::of(256 * KIB);
    let mut all: Vec<_> = (0..100).map(|_| Held::within(room.clone())).collect();
    for held in &mut all {
        (1..=1_000).for_each(|number| held.insert(message(number, 0)));
    }
    let messages: usize = all.iter().map(|held| held.len().0).sum();
    assert!(messages * OVERHEAD <= 256 * KIB, "{messages}");
}

#[test]
fn whoever_has_more_than_a_share_gives_way_first() {
    let room = HeldRoom::of(1_024 * KIB);
    let mut early: Vec<_> = (0..4).map(|_| Held::within(room.clone())).collect();
    early.iter_mut().for_each(fill);
    let first = early[0].len().1;
    assert!(first > 512 * KIB, "alone it may have more than a share: {first}");
    let mut late = Held::within(room);
    late.insert(message(1, 100 * KIB));
    assert_eq!(late.len().1, 0, "it comes again");
    // Each is asked to give way now and then.
    early.iter_mut().for_each(Held::fit);
    assert!(early[0].len().1 < first * 3 / 4, "{:?}", early[0].len());
    late.insert(message(1, 100 * KIB));
    late.insert(message(2, 100 * KIB));
    assert_eq!(late.len().1, 200 * KIB);
    assert!(
        early.iter().all(|held| held.first().is_none_or(|(number, _)| number == 1)),
        "the lowest stay"
    );
}

/// §8.2: an equal share for each, with one left over for whoever comes next.
#[test]
fn shares_are_by_the_number_of_those_that_hold_something() {
    let room = HeldRoom::of(1_200);
    // While a quarter is free each gets what it asks for.
    assert_eq!([(); 3].map(|()| room.change(0, 300)), [300; 3]);
    assert_eq!(room.change(0, 1_200), 240, "a fourth: a fifth of the room");
    assert_eq!(room.change(300, 300), 240, "and so each when it is asked");
    assert_eq!((room.change(240, 0), room.used()), (0, 840));
    assert_eq!(room.change(0, 0), 0, "who holds nothing has no share");
    assert_eq!(room.change(240, 1_200), 300, "one of three: a quarter of the room");
    assert_eq!(room.used(), 900);
}

#[test]
fn a_message_is_held_once_and_as_many_as_there_is_room_for() {
    let mut held = Held::within(HeldRoom::default());
    for number in (1..=MAX_HELD_MESSAGES as u64 + 10).rev() {
        for _ in 0..2 {
            held.insert(message(number, 3));
        }
    }
    assert_eq!(held.len(), (MAX_HELD_MESSAGES, 3 * MAX_HELD_MESSAGES));
    let last = MAX_HELD_MESSAGES as u64;
    let id = |number| MessageId::from_bytes(uuid(number)).unwrap();
    assert!(held.has(last, id(last)) && !held.has(last + 1, id(last + 1)));
    assert!(!held.has(last, id(1)));
}

#[test]
fn what_was_taken_let_go_or_forgotten_takes_no_room() {
    let room = HeldRoom::of(1_024 * KIB);
    let mut held = Held::within(room.clone());
    fill(&mut held);
    let full = room.used();
    held.remove(1).unwrap();
    assert_eq!(room.used(), full - 64 * KIB - OVERHEAD);
    assert_eq!(held.take_before(4).len(), 2);
    assert_eq!(room.used(), full - 4 * (64 * KIB + OVERHEAD), "and the copy");
    held.take_all();
    assert_eq!((room.used(), held.len()), (0, (0, 0)));
    fill(&mut held);
    held.clear();
    assert_eq!(room.used(), 0);
    fill(&mut held);
    drop(held);
    assert_eq!(room.used(), 0);
}
