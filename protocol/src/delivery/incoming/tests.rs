//! One sender's messages against a naive model, and against a disk that fails.

mod state;

use proptest::prelude::*;

use super::*;
use crate::crypto::{Authenticator as _, Ed25519Authenticator};
use crate::id::StreamId;
use crate::limits::{MAX_HELD_BYTES, MAX_HELD_MESSAGES};
use crate::message::MessageKind;

fn peer() -> PublicKey {
    Ed25519Authenticator::from_seed(&[7; 32]).public_key()
}

fn uuid(kind: u8, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = kind;
    bytes[6] = 0x40;
    bytes[8] = 0x80;
    bytes[9..16].copy_from_slice(&number.to_be_bytes()[1..]);
    bytes
}

fn stream(number: u8) -> StreamId {
    StreamId::from_bytes(uuid(number, 0)).unwrap()
}

fn id(number: u64) -> MessageId {
    MessageId::from_bytes(uuid(0, number)).unwrap()
}

fn message(of: u8, number: u64, after: Option<u64>, len: usize) -> Message {
    let order = Some(Order { after, number, stream: stream(of) });
    let body = vec![0; len].into();
    Message { id: id(number), kind: MessageKind::Task, in_reply_to: None, order, body }
}

/// Does what a link does with a message; returns the numbers that are taken.
fn arrive(incoming: &mut Incoming, message: Message) -> Vec<Arrival> {
    let mut taken = Vec::new();
    let order = message.order.unwrap();
    match incoming.judge(message.id, &order) {
        Verdict::Next => {
            for earlier in incoming.before(&order) {
                taken.extend(incoming.take(peer(), earlier, 0, Timestamp::default()));
            }
            taken.extend(incoming.take(peer(), message, 0, Timestamp::default()));
        }
        Verdict::Early => incoming.hold(message),
        Verdict::Known(_) | Verdict::Writing | Verdict::OutOfSequence => {}
    }
    while let Some(message) = incoming.next_held() {
        taken.extend(incoming.take(peer(), message, 0, Timestamp::default()));
    }
    taken
}

fn ready() -> Incoming {
    let mut incoming = Incoming::default();
    incoming.resume(&Resume::default());
    incoming
}

fn numbers(arrivals: &[Arrival]) -> Vec<u64> {
    arrivals.iter().map(|arrival| arrival.message.order.unwrap().number).collect()
}

#[test]
fn the_table_of_the_specification_row_by_row() {
    let mut incoming = Incoming::default();
    let first = message(1, 0, None, 1);
    assert_eq!(incoming.judge(first.id, &first.order.unwrap()), Verdict::Early, "not resumed");
    incoming.resume(&Resume::default());
    let judge = |incoming: &Incoming, message: &Message| {
        incoming.judge(message.id, &message.order.unwrap())
    };
    let other = message(2, 5, Some(4), 1);
    assert_eq!(judge(&incoming, &other), Verdict::Early, "7: another stream with a predecessor");
    assert_eq!(judge(&incoming, &first), Verdict::Next, "6: the first stream");
    assert_eq!(numbers(&arrive(&mut incoming, first.clone())), [0]);
    assert_eq!(judge(&incoming, &first), Verdict::Writing, "2");
    assert_eq!(incoming.stored(first.id), Some(0));
    assert_eq!(judge(&incoming, &first), Verdict::Known(ReceiptStatus::Delivered), "1");
    incoming.processed(first.id);
    assert_eq!(judge(&incoming, &first), Verdict::Known(ReceiptStatus::Processed), "1");
    assert_eq!(judge(&incoming, &message(1, 3, Some(2), 1)), Verdict::Early, "7");
    assert_eq!(judge(&incoming, &message(1, 3, Some(0), 1)), Verdict::Next, "5");
    assert_eq!(judge(&incoming, &message(1, 3, None, 1)), Verdict::Next, "5");
    let late = Message { id: id(99), ..message(1, 0, None, 1) };
    assert_eq!(judge(&incoming, &late), Verdict::OutOfSequence, "4");
    assert_eq!(judge(&incoming, &message(2, 1, None, 1)), Verdict::Next, "6");
    assert_eq!(judge(&incoming, &message(2, 1, Some(0), 1)), Verdict::Next, "6");
    assert_eq!(judge(&incoming, &message(2, 2, Some(1), 1)), Verdict::Early, "7");
    arrive(&mut incoming, message(2, 1, None, 1));
    assert_eq!(judge(&incoming, &message(1, 3, None, 1)), Verdict::OutOfSequence, "3");
    assert_eq!(judge(&incoming, &message(2, u64::MAX, None, 1)), Verdict::OutOfSequence);
}

#[test]
fn a_lower_number_that_is_held_goes_before_one_that_waits_for_nothing() {
    let mut incoming = ready();
    assert!(arrive(&mut incoming, message(1, 2, Some(1), 1)).is_empty());
    assert!(arrive(&mut incoming, message(1, 3, Some(2), 1)).is_empty());
    assert_eq!(numbers(&arrive(&mut incoming, message(1, 5, None, 1))), [2, 3, 5]);
}

#[test]
fn a_held_message_believes_the_newest_word_on_what_it_follows() {
    let mut incoming = ready();
    arrive(&mut incoming, message(1, 0, None, 1));
    arrive(&mut incoming, message(1, 5, Some(3), 1));
    // An older copy that comes late changes nothing.
    arrive(&mut incoming, message(1, 5, Some(4), 1));
    assert_eq!(numbers(&arrive(&mut incoming, message(1, 3, Some(0), 1))), [3, 5]);
}

#[test]
fn what_is_held_of_a_former_stream_does_not_come_after_a_later_one() {
    let mut incoming = ready();
    arrive(&mut incoming, message(1, 4, None, 1));
    assert!(arrive(&mut incoming, message(2, 6, Some(5), 1)).is_empty());
    assert_eq!(numbers(&arrive(&mut incoming, message(3, 18, None, 1))), [18]);
    assert_eq!(incoming.held(), (0, 0));
    assert!(arrive(&mut incoming, message(2, 6, Some(5), 1)).is_empty(), "nor when it comes again");
}

#[test]
fn memory_for_held_messages_is_bounded_and_the_lowest_stay() {
    let mut incoming = ready();
    let far = MAX_HELD_MESSAGES as u64 + 10;
    for number in (1..=far).rev() {
        arrive(&mut incoming, message(1, number, Some(number - 1), 1));
        assert!(incoming.held().0 <= MAX_HELD_MESSAGES);
    }
    let taken = arrive(&mut incoming, message(1, 0, None, 1));
    assert_eq!(numbers(&taken), (0..MAX_HELD_MESSAGES as u64).collect::<Vec<_>>());
    let mut incoming = ready();
    for number in 1..10 {
        arrive(&mut incoming, message(1, number, Some(number - 1), 1 << 20));
        assert!(incoming.held().1 <= MAX_HELD_BYTES);
    }
    assert_eq!(incoming.held(), (4, 4 << 20));
}

#[test]
fn memory_for_messages_that_are_being_written_is_bounded() {
    let mut incoming = ready();
    let mut taken = 0;
    for number in 0..3 * MAX_WRITING_MESSAGES as u64 {
        let after = number.checked_sub(1);
        taken += arrive(&mut incoming, message(1, number, after, 1)).len();
    }
    assert_eq!(taken, MAX_WRITING_MESSAGES);
    incoming.stored(id(0));
    assert!(incoming.next_held().is_some(), "there is room again");
}

#[test]
fn ids_are_remembered_as_long_as_the_specification_says() {
    let mut incoming = ready();
    for number in 0..=MAX_TAKEN_IDS as u64 {
        let after = number.checked_sub(1);
        assert_eq!(arrive(&mut incoming, message(1, number, after, 1)).len(), 1);
        incoming.stored(id(number));
    }
    let known = |number| {
        matches!(
            incoming.judge(id(number), &Order { after: None, number, stream: stream(1) }),
            Verdict::Known(_)
        )
    };
    assert!(!known(0) && known(1) && known(MAX_TAKEN_IDS as u64));
}

#[test]
fn nothing_is_taken_between_a_failed_write_and_the_word_of_the_disk() {
    let mut incoming = ready();
    for number in 0..3 {
        arrive(&mut incoming, message(1, number, number.checked_sub(1), 1));
    }
    assert!(!incoming.wants_resume());
    incoming.not_stored(id(0));
    assert!(arrive(&mut incoming, message(1, 0, None, 1)).is_empty(), "it is held");
    assert!(!incoming.wants_resume(), "two are not reported");
    incoming.not_stored(id(1));
    incoming.not_stored(id(2));
    assert!(incoming.wants_resume());
    assert!(!incoming.wants_resume(), "once");
    let held = incoming.resume(&Resume::default());
    assert_eq!(held.len(), 1);
    assert_eq!(numbers(&arrive(&mut incoming, held[0].clone())), [0]);
}

/// What a sender does: its unsettled numbers, and what it sends of them.
#[derive(Debug, Clone)]
enum Act {
    /// Sends one of its unsettled messages, by rank.
    Send(usize),
    /// Gives one up, by rank: from now on it is not waited for.
    Settle(usize),
    /// The oldest write is done, or not.
    Write(bool),
    /// The receiver loses its memory.
    Crash,
    /// The sender goes on in another stream.
    Stream,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0usize..6).prop_map(Act::Send),
        1 => (0usize..6).prop_map(Act::Settle),
        6 => prop::bool::weighted(0.9).prop_map(Act::Write),
        1 => Just(Act::Crash),
        1 => Just(Act::Stream),
    ]
}

/// The naive model: a disk of numbers, in the order in which they were taken.
#[derive(Default)]
struct Disk {
    position: Position,
    taken: Vec<u64>,
}

proptest! {
    /// Whatever is lost, repeated, reordered, given up, not written or forgotten: each number is on disk
    /// once, in order, unless the sender began another stream; and what is written follows what is there.
    #[test]
    fn taken_once_and_in_order(acts in prop::collection::vec(act(), 1..200)) {
        let mut incoming = ready();
        let mut disk = Disk::default();
        let mut writes: Vec<Arrival> = Vec::new();
        let mut unsettled: Vec<u64> = (0..40).collect();
        let mut current = 1;
        for act in acts {
            match act {
                Act::Send(rank) => {
                    let Some(number) = unsettled.get(rank).copied() else { continue };
                    let after = rank.checked_sub(1).map(|before| unsettled[before]);
                    writes.extend(arrive(&mut incoming, message(current, number, after, 1)));
                }
                Act::Settle(rank) if rank < unsettled.len() => {
                    unsettled.remove(rank);
                }
                Act::Settle(_) => {}
                Act::Write(works) if !writes.is_empty() => {
                    let arrival = writes.remove(0);
                    let number = arrival.message.order.unwrap().number;
                    if works && arrival.before == disk.position {
                        disk.position = arrival.after;
                        prop_assert!(!disk.taken.contains(&number), "{number} twice");
                        disk.taken.push(number);
                        incoming.stored(arrival.message.id);
                    } else {
                        incoming.not_stored(arrival.message.id);
                    }
                    if incoming.wants_resume() {
                        prop_assert!(writes.is_empty());
                        resume(&mut incoming, &disk, &mut writes);
                    } else {
                        while let Some(message) = incoming.next_held() {
                            writes.extend(incoming.take(peer(), message, 0, Timestamp::default()));
                        }
                    }
                }
                Act::Write(_) => {}
                Act::Crash => {
                    writes.clear();
                    incoming = Incoming::default();
                    resume(&mut incoming, &disk, &mut writes);
                }
                Act::Stream => current += 1,
            }
            // What the receiver acknowledges, the sender settles.
            unsettled.retain(|number| {
                let order = Order { after: None, number: *number, stream: stream(current) };
                !matches!(incoming.judge(id(*number), &order), Verdict::Known(_))
            });
            prop_assert!(disk.taken.is_sorted(), "{:?}", disk.taken);
        }
    }
}

fn resume(incoming: &mut Incoming, disk: &Disk, writes: &mut Vec<Arrival>) {
    let taken = disk.taken.iter().map(|number| (id(*number), false)).collect();
    let position = disk.position.clone();
    for message in incoming.resume(&Resume { position, taken, owed: Vec::new() }) {
        writes.extend(arrive(incoming, message));
    }
}
