//! Messages that wait for their contents: order is kept, nothing is lost and nothing goes twice.

use std::collections::BTreeSet;

use rand::RngExt as _;

use super::*;

impl Rig {
    fn accept_held(&mut self) -> MessageId {
        let message = self.message(10);
        let id = message.id;
        self.outbox.accept_held(peer(1), message, WEEK, self.now).unwrap();
        id
    }

    fn release(&mut self, id: MessageId) {
        self.outbox.release(&peer(1), id);
        self.settle();
    }

    fn handed_ids(&self) -> Vec<MessageId> {
        self.handed.iter().map(|message| message.id).collect()
    }
}

#[test]
fn a_held_message_and_all_after_it_wait_until_it_is_released() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let first = rig.accept(10, WEEK);
    let held = rig.accept_held();
    let after = rig.accept(10, WEEK);
    rig.settle();
    assert_eq!((rig.handed_ids(), rig.ahead.clone()), (vec![first], vec![held]));
    assert_eq!(rig.last(held), Some(Status::Queued), "it was certainly not sent");
    rig.release(after);
    assert_eq!(rig.handed_ids(), [first], "what is not held is not let past");
    rig.release(held);
    assert_eq!(rig.handed_ids(), [first, held, after]);
    assert_eq!(rig.ahead, [held]);
}

#[test]
fn contents_go_one_after_another_and_only_while_somebody_takes_them() {
    let mut rig = Rig::new();
    let ids = [rig.accept_held(), rig.accept_held(), rig.accept_held()];
    rig.settle();
    assert_eq!(rig.ahead, []);
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.ahead, ids[..1]);
    // A later content that was there all the same does not get its message past the first.
    rig.release(ids[1]);
    assert_eq!((rig.handed_ids(), rig.ahead.clone()), (vec![], ids[..1].to_vec()));
    rig.release(ids[0]);
    assert_eq!(rig.handed_ids(), ids[..2]);
    assert_eq!(rig.ahead, [ids[0], ids[2]]);
    rig.outbox.detach(&peer(1));
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.ahead, [ids[0], ids[2], ids[2]], "it is asked for again on another link");
}

#[test]
fn what_ends_while_it_is_held_lets_the_others_go_once_the_disk_knows() {
    for way in 0..3 {
        let mut rig = Rig::new();
        rig.outbox.attach(peer(1));
        let message = rig.message(10);
        let held = message.id;
        let ttl = Duration::from_secs(60);
        rig.outbox.accept_held(peer(1), message, ttl, rig.now).unwrap();
        let after = rig.accept(10, WEEK);
        rig.settle();
        rig.works = false;
        match way {
            0 => assert!(rig.outbox.cancel(held, rig.now)),
            1 => rig.pass(ttl),
            _ => {
                let code = ErrorCode::ChunkError;
                rig.outbox.refused(&peer(1), held, code, String::new(), rig.now);
            }
        }
        rig.settle();
        assert_eq!(rig.handed_ids(), []);
        rig.works = true;
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.handed_ids(), [after], "way {way}");
        let last = rig.last(held).unwrap();
        match way {
            0 => assert_eq!(last, Status::Cancelled),
            1 => assert_eq!(last, Status::Expired),
            _ => assert!(matches!(last, Status::Failed { .. })),
        }
        rig.release(held);
    }
}

#[test]
fn a_message_whose_content_is_lost_is_taken_back_with_all_after_it() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let before = rig.accept(10, WEEK);
    let held = rig.accept_held();
    let after = rig.accept(10, WEEK);
    rig.settle();
    rig.release(held);
    rig.handed.clear();
    assert!(!rig.outbox.hold(&peer(2), held), "another peer says nothing of it");
    assert!(rig.outbox.hold(&peer(1), held));
    rig.settle();
    assert_eq!(rig.withdrawn, [before, held, after]);
    assert_eq!((rig.handed_ids(), rig.ahead.clone()), (vec![before], vec![held, held]));
    rig.release(held);
    assert_eq!(rig.handed_ids(), [before, held, after]);
    rig.acknowledge(&[held], ReceiptStatus::Delivered);
    assert!(!rig.outbox.hold(&peer(1), held), "what arrived is not held back");
}

/// The naive model: the messages that are accepted and not settled, in order; those before the first that is
/// held are with the link.
#[derive(Default)]
struct Naive {
    waiting: Vec<(MessageId, bool)>,
}

impl Naive {
    fn free(&self) -> Vec<MessageId> {
        self.waiting.iter().take_while(|(_, held)| !held).map(|(id, _)| *id).collect()
    }
}

/// Holds are released in any order, contents are lost, the node crashes between any two writes.
#[test]
fn order_is_kept_and_nothing_is_lost_or_repeated_as_a_naive_model_says() {
    for seed in 0..300 {
        let mut rig = Rig::new();
        let mut chance = StdRng::seed_from_u64(seed);
        let (mut naive, mut settled) = (Naive::default(), BTreeSet::new());
        rig.outbox.attach(peer(1));
        for step in 0..60 {
            let some = chance.random_range(0..naive.waiting.len().max(1));
            let one = naive.waiting.get(some).copied();
            match (chance.random_range(0..12), one) {
                (0..=2, _) => naive.waiting.push((rig.accept(10, WEEK), false)),
                (3 | 4, _) => naive.waiting.push((rig.accept_held(), true)),
                (5 | 6, Some((id, _))) => {
                    rig.outbox.release(&peer(1), id);
                    naive.waiting[some].1 = false;
                }
                (7, Some((id, _))) => {
                    let held = rig.outbox.hold(&peer(1), id);
                    assert!(held, "seed {seed}, step {step}");
                    naive.waiting[some].1 = true;
                }
                // What arrives arrives in order.
                (8 | 9, _) => {
                    rig.settle();
                    if let Some(id) = naive.free().first().copied() {
                        rig.acknowledge(&[id], ReceiptStatus::Delivered);
                        naive.waiting.remove(0);
                        assert!(settled.insert(id), "seed {seed}: {id} went twice");
                    }
                }
                (10, Some((id, _))) => {
                    rig.settle();
                    assert!(rig.outbox.cancel(id, rig.now));
                    rig.settle();
                    naive.waiting.remove(some);
                    settled.insert(id);
                }
                // Some of the effects are carried out, and the rest is lost.
                (11, _) => {
                    rig.some_effects(chance.random_range(0..4));
                    if rig.streams.is_empty() {
                        continue;
                    }
                    naive
                        .waiting
                        .retain(|(id, _)| rig.disk.values().any(|it| it.message.id == *id));
                    rig.restart();
                    rig.handed.clear();
                    for (id, held) in &naive.waiting {
                        if *held {
                            assert!(rig.outbox.hold(&peer(1), *id));
                        }
                    }
                    rig.outbox.attach(peer(1));
                }
                _ => {}
            }
            if chance.random_range(0..3) == 0 {
                rig.settle();
                let link = rig.link();
                assert_eq!(link, naive.free(), "seed {seed}, step {step}");
                let first_held = naive.waiting.iter().find(|(_, held)| *held).map(|(id, _)| *id);
                assert!(
                    first_held.is_none() || rig.ahead.contains(&first_held.unwrap()),
                    "seed {seed}, step {step}: nobody was told to send the content"
                );
            }
        }
        for (id, _) in naive.waiting.clone() {
            rig.outbox.release(&peer(1), id);
        }
        rig.settle();
        let all: Vec<_> = naive.waiting.iter().map(|(id, _)| *id).collect();
        assert_eq!(rig.link(), all, "seed {seed}");
        assert!(all.iter().all(|id| !settled.contains(id)), "seed {seed}");
    }
}
