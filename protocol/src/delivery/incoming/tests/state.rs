//! What is known of a sender at each point, and what is taken only once.

use super::*;
use crate::limits::MAX_WRITING_BYTES;

fn take(incoming: &mut Incoming, message: Message) -> bool {
    incoming.take(peer(), message, 7, Timestamp::default()).is_some()
}

#[test]
fn it_tells_whether_the_disk_was_asked_and_whether_anything_is_being_written() {
    let mut incoming = Incoming::default();
    assert!(!incoming.is_resumed() && incoming.is_idle());
    assert!(!take(&mut incoming, message(1, 0, None, 1)), "nobody knows whether it is new");
    incoming.resume(&Resume::default());
    assert!(incoming.is_resumed() && incoming.is_idle());
    assert!(take(&mut incoming, message(1, 0, None, 1)));
    assert!(!incoming.is_idle());
    assert_eq!(incoming.stored(id(0)), Some(7));
    assert!(incoming.is_resumed() && incoming.is_idle());
    assert!(take(&mut incoming, message(1, 1, None, 1)));
    assert_eq!(incoming.not_stored(id(1)), Some(7));
    assert!(!incoming.is_resumed() && incoming.is_idle());
}

/// Whatever order it has when it comes again: by its id, or by its number, it was there.
#[test]
fn what_is_written_or_was_taken_or_comes_too_late_is_not_taken() {
    let mut incoming = ready();
    let first = message(1, 5, None, 1);
    assert!(take(&mut incoming, first.clone()));
    let elsewhere = Message { order: message(2, 9, None, 1).order, ..first.clone() };
    let later = Message { order: message(1, 6, None, 1).order, ..first };
    for _ in 0..2 {
        for again in [&elsewhere, &later] {
            assert!(!take(&mut incoming, again.clone()));
        }
        assert!(!take(&mut incoming, Message { id: id(99), ..message(1, 5, None, 1) }));
        // And once it is on disk.
        incoming.stored(id(5));
    }
    assert!(take(&mut incoming, message(1, 6, None, 1)));
}

#[test]
fn what_is_held_is_known_until_it_is_let_go() {
    let mut incoming = ready();
    let early = message(1, 3, Some(2), 10);
    assert!(!incoming.holds(&early));
    incoming.hold(early.clone());
    assert!(incoming.holds(&early));
    assert!(!incoming.holds(&message(1, 4, Some(3), 10)));
    assert!(!incoming.holds(&Message { id: id(99), ..early.clone() }));
    assert_eq!(incoming.held(), (1, 10));
    incoming.let_go();
    assert!(!incoming.holds(&early));
    assert_eq!(incoming.held(), (0, 0));
}

/// Room for writes comes back with each that is on disk, and not before.
#[test]
fn as_many_bytes_are_written_at_once_as_there_is_room_for() {
    let mut incoming = ready();
    let len = MAX_WRITING_BYTES / 8;
    let next = |incoming: &Incoming, number| {
        let message = message(1, number, None, len);
        incoming.judge(message.id, &message.order.unwrap())
    };
    for number in 0..24 {
        if number >= 8 {
            assert_eq!(next(&incoming, number), Verdict::Early, "{number}: all room is taken");
            incoming.stored(id(number - 8));
        }
        assert_eq!(next(&incoming, number), Verdict::Next, "{number}");
        assert!(take(&mut incoming, message(1, number, None, len)));
    }
}
