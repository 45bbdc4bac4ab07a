//! What is known of a message at each point, what goes with one write, and what changes nothing.

use super::*;
use crate::delivery::Order;

impl Rig {
    fn accept_for(&mut self, to: u8, len: usize) -> MessageId {
        let message = self.message(len);
        let id = message.id;
        self.outbox.accept(peer(to), message, WEEK, self.now).unwrap();
        id
    }

    /// The messages that are to be written, and whether each is marked as sent in the same write.
    fn accepted(&mut self) -> Vec<(MessageId, bool)> {
        let mut accepted = Vec::new();
        while let Some(effect) = self.outbox.poll_effect() {
            let Effect::Write { ticket, writes } = effect else { continue };
            accepted.extend(writes.iter().filter_map(|write| match write {
                Write::Accept(outgoing) => Some((outgoing.message.id, outgoing.may_be_sent)),
                _ => None,
            }));
            self.outbox.written(ticket, true, self.now);
        }
        accepted
    }
}

#[test]
fn a_message_is_counted_and_known_until_it_is_settled() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    rig.accept(5, WEEK);
    for restarts in [false, true] {
        rig.settle();
        if restarts {
            rig.restart();
        }
        assert_eq!((rig.outbox.len(), rig.outbox.waiting(&peer(1))), ((2, 15), (2, 15)));
        assert!(!rig.outbox.is_empty() && rig.outbox.peers().eq([&peer(1)]));
        assert_eq!(rig.outbox.status(id), Some(Status::Queued));
        assert_eq!(rig.outbox.expires(id), Some(rig.now.timestamp + WEEK));
        assert!(!rig.outbox.is_held(id));
    }
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.outbox.status(id), Some(Status::Sent));
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    assert_eq!((rig.outbox.len(), rig.outbox.waiting(&peer(1))), ((1, 5), (1, 5)));
    assert_eq!((rig.outbox.status(id), rig.outbox.expires(id)), (None, None));
    let message = rig.message(1);
    let held = message.id;
    rig.outbox.accept_held(peer(1), message, WEEK, rig.now).unwrap();
    rig.settle();
    assert!(rig.outbox.is_held(held));
    rig.outbox.release(&peer(1), held);
    assert!(!rig.outbox.is_held(held));
}

/// Whatever order somebody gave it; and where the receiver may have seen others, they begin beyond them.
#[test]
fn a_message_gets_its_order_here() {
    let mut rig = Rig::new();
    rig.outbox = std::mem::replace(&mut rig.outbox, Rig::new().outbox).beginning_at(7);
    rig.outbox.attach(peer(1));
    let stream = StreamId::random(&mut rig.rng);
    let order = Some(Order { after: None, number: 3, stream });
    let message = Message { order, ..rig.message(10) };
    rig.outbox.accept(peer(1), message, WEEK, rig.now).unwrap();
    rig.settle();
    let written = rig.disk.values().next().unwrap();
    assert_eq!((written.number, written.message.order), (7, None));
    assert_eq!(rig.numbers(), [7]);
}

#[test]
fn what_the_window_has_a_place_for_takes_one_write() {
    let mib = 1 << 20;
    for (len, most) in [(1, MAX_WINDOW_MESSAGES), (mib, MAX_WINDOW_BYTES / mib)] {
        let mut rig = Rig::new();
        rig.outbox.attach(peer(1));
        for place in 0..=most {
            let id = rig.accept_for(1, len);
            assert_eq!(rig.accepted(), [(id, place < most)], "{place} of {len} bytes");
        }
    }
    // A larger one goes alone.
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let alone = rig.accept_for(1, MAX_WINDOW_BYTES + 1);
    assert_eq!(rig.accepted(), [(alone, true)]);
}

#[test]
fn windows_that_are_filled_with_one_write_share_the_budget_too() {
    let mut rig = Rig::new();
    let peers = (MAX_WINDOWS_BYTES / MAX_WINDOW_BYTES) as u8;
    for to in 1..=peers {
        rig.outbox.attach(peer(to));
        for _ in 0..MAX_WINDOW_BYTES >> 20 {
            let id = rig.accept_for(to, 1 << 20);
            assert_eq!(rig.accepted(), [(id, true)]);
        }
    }
    rig.outbox.attach(peer(100));
    for is_first in [true, false] {
        let id = rig.accept_for(100, 1 << 20);
        assert_eq!(rig.accepted(), [(id, is_first)], "each may have one in any case");
    }
}

/// §8.1: what one peer's window leaves of the budget goes to whoever had to wait for it.
#[test]
fn room_that_one_peer_leaves_is_given_to_another_that_waits_for_it() {
    let mib = 1 << 20;
    let mut rig = Rig::new();
    let mut ids = Vec::new();
    for to in 1..=(MAX_WINDOWS_BYTES / MAX_WINDOW_BYTES) as u8 {
        rig.outbox.attach(peer(to));
        ids.extend((0..MAX_WINDOW_BYTES / mib).map(|_| rig.accept_for(to, mib)));
        rig.accepted();
    }
    rig.outbox.attach(peer(100));
    for _ in 0..3 {
        rig.accept_for(100, mib);
        rig.accepted();
    }
    // It has one in any case, which is one too much.
    for (acknowledged, loads) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        if acknowledged > 0 {
            let id = ids[acknowledged - 1];
            rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Delivered, rig.now);
        }
        while let Some(effect) = rig.outbox.poll_effect() {
            match effect {
                Effect::Write { ticket, .. } => rig.outbox.written(ticket, true, rig.now),
                Effect::Load { peer: of, from, to, .. } => {
                    assert_eq!((of, from, to), (peer(100), 1, 1));
                    rig.loads.push((from, to));
                }
                _ => {}
            }
        }
        assert_eq!(rig.loads.len(), loads, "{acknowledged} acknowledged");
    }
}

#[test]
fn a_message_is_accepted_once() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let message = rig.message(10);
    let again = |rig: &mut Rig| {
        let message = message.clone();
        rig.outbox.accept(peer(1), message, WEEK, rig.now)
    };
    assert_eq!(again(&mut rig), Ok(()));
    assert_eq!(again(&mut rig), Err(NotAccepted::Known));
    rig.settle();
    assert_eq!(again(&mut rig), Err(NotAccepted::Known));
    // What the disk says of it, asked for another reason, changes nothing while it is unsettled.
    let found = vec![(0, message.id, Status::Delivered)];
    rig.outbox.recalled(&peer(1), found, ReceiptStatus::Processed, rig.now);
    rig.settle();
    assert_eq!(rig.last(message.id), Some(Status::Sent));
    rig.acknowledge(&[message.id], ReceiptStatus::Delivered);
    assert_eq!(rig.last(message.id), Some(Status::Delivered));
    assert_eq!(again(&mut rig), Err(NotAccepted::Known), "more may be heard of it");
}

/// What was never in the window leaves no place in it.
#[test]
fn what_is_cancelled_behind_the_window_lets_nothing_in() {
    for behind in [600, 1] {
        let mut rig = Rig::new();
        let many: Vec<_> = (0..3 * MAX_WINDOW_MESSAGES).map(|_| rig.accept(10, WEEK)).collect();
        rig.settle();
        rig.outbox.attach(peer(1));
        rig.settle();
        for id in &many[MAX_WINDOW_MESSAGES..][..behind] {
            assert!(rig.outbox.cancel(*id, rig.now));
        }
        rig.settle();
        assert_eq!(rig.handed.len(), MAX_WINDOW_MESSAGES);
        // More is read once half of the window is free.
        let half = MAX_WINDOW_MESSAGES / 2;
        rig.acknowledge(&many[..half - 1], ReceiptStatus::Delivered);
        assert_eq!(rig.handed.len(), MAX_WINDOW_MESSAGES);
        rig.acknowledge(&many[half - 1..half], ReceiptStatus::Delivered);
        assert_eq!(rig.handed.len(), MAX_WINDOW_MESSAGES + half);
    }
}

/// While the mark is written nobody knows whether it will have been sent.
#[test]
fn what_is_cancelled_while_it_is_marked_waits_for_the_disk() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.outbox.attach(peer(1));
    rig.some_effects(1);
    assert_eq!(rig.loads, [(0, 0)]);
    assert!(rig.outbox.cancel(id, rig.now));
    rig.settle();
    assert_eq!(rig.last(id), Some(Status::Unknown));
    assert!(rig.handed.is_empty(), "and then it is not sent");
}

#[test]
fn a_receipt_for_another_peers_message_settles_nothing() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    rig.outbox.attach(peer(2));
    let [one, two] = [1, 2].map(|to| rig.accept_for(to, 10));
    rig.accepted();
    rig.outbox.acknowledged(&peer(2), &[one], ReceiptStatus::Delivered, rig.now);
    rig.outbox.out_of_sequence(&peer(2), one, rig.outbox.queues[&0].stream, rig.now.instant);
    rig.settle();
    assert_eq!([one, two].map(|id| rig.outbox.status(id)), [const { Some(Status::Sent) }; 2]);
    assert!(rig.streams.is_empty() && rig.withdrawn.is_empty());
}

/// Receipts that come while the disk is busy with an earlier one.
#[test]
fn of_two_receipts_the_one_that_says_more_counts() {
    use ReceiptStatus::{Delivered, Processed};
    for receipts in [[Delivered, Processed], [Processed, Delivered]] {
        let mut rig = Rig::new();
        rig.outbox.attach(peer(1));
        let id = rig.accept(10, WEEK);
        rig.settle();
        for status in receipts {
            rig.outbox.acknowledged(&peer(1), &[id], status, rig.now);
        }
        rig.settle();
        assert_eq!(rig.last(id), Some(Status::Processed), "{receipts:?}");
    }
}

/// Each step that is heard of late is written, also after another one was.
#[test]
fn late_receipts_are_written_one_after_another() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, Duration::from_secs(1));
    rig.settle();
    rig.pass(Duration::from_secs(1));
    let steps = [
        (ReceiptStatus::Delivered, Status::Delivered),
        (ReceiptStatus::Processed, Status::Processed),
    ];
    for (said, status) in steps {
        rig.acknowledge(&[id], said);
        assert_eq!(rig.last(id), Some(status));
    }
}

/// One that is said in time, of a message that is still to be sent in this stream: not of another one, not
/// twice, and not once it is settled.
#[test]
fn a_refusal_that_means_nothing_now_begins_no_stream() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let ids: Vec<_> = (0..2).map(|_| rig.accept(10, WEEK)).collect();
    rig.settle();
    let first = rig.streams[0];
    // It is settled, but not on disk yet.
    rig.outbox.acknowledged(&peer(1), &ids[..1], ReceiptStatus::Delivered, rig.now);
    rig.refuse(ids[0], first);
    rig.settle();
    assert_eq!(rig.streams.len(), 1);
    rig.refuse(ids[1], first);
    let next = rig.outbox.queues[&0].stream;
    assert_ne!(next, first);
    // It is not on disk, so that nothing can have been sent in it.
    rig.refuse(ids[1], next);
    rig.settle();
    rig.refuse(ids[1], first);
    rig.pass(Duration::from_secs(600));
    assert_eq!(rig.streams, [first, next]);
}

#[test]
fn what_the_disk_refused_is_tried_again_after_a_second() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.works = false;
    rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Delivered, rig.now);
    rig.settle();
    rig.works = true;
    let second = Duration::from_secs(1);
    assert_eq!(rig.outbox.poll_timeout(rig.now), Some(rig.now.instant + second));
    rig.pass(second - Duration::from_millis(1));
    assert_eq!(rig.last(id), Some(Status::Sent));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.last(id), Some(Status::Delivered));
}

/// Somebody else's link comes and goes.
#[test]
fn a_pause_before_a_new_stream_is_each_peers_own() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    for _ in 0..2 {
        rig.refuse(id, *rig.streams.last().unwrap());
        rig.settle();
    }
    assert_eq!(rig.streams.len(), 2, "the third is to come after a pause");
    rig.outbox.attach(peer(2));
    rig.outbox.detach(&peer(2));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.streams.len(), 3);
}
