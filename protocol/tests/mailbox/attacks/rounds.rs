//! When a receiver tells its nodes what it took, and when it reads on (`docs/PROTOCOL.md` §18.6).

use std::time::Duration;

use peer_protocol::mailbox::ReceiverConfig;
use peer_protocol::message::{Deposited, Fetch, Mailbox, MailboxResult, Page, Settled};
use peer_protocol::time::Instant;

use super::opening::{Lies, Rig};
use crate::people::{Disk, at};

/// For how long the next page is not read while something has to stay behind.
const PAUSE: u64 = 2_000;
/// How long what is to be told waits for more.
const GATHER: u64 = 5_000;

impl Rig {
    /// A visit begins, up to the first page.
    fn begins(&mut self) {
        let node = self.nodes[0];
        self.receiver.hasten(&node, at(self.now));
        assert!(matches!(self.asked(&node), Some(Mailbox::Deposit(_))));
        self.answer(&node, &MailboxResult::Deposited(Deposited { left: 128, items: 1 }));
    }

    /// A page of these is asked for behind `after`, and comes: what is handed over of it.
    fn reads(&mut self, after: Option<u64>, lie: &[&Lies], more: bool) -> Vec<u64> {
        let node = self.nodes[0];
        assert_eq!(self.asked(&node), Some(Mailbox::Fetch(Fetch { after })));
        let items = lie.iter().map(|one| one.item.clone()).collect();
        self.answer(&node, &MailboxResult::Page(Page { more, items }))
    }

    fn commits(&mut self, one: &Lies) {
        let taken = self.takes(one);
        self.writes(taken);
    }

    /// What the node is told to delete now; `None` if it is asked nothing.
    fn tells(&mut self) -> Option<Vec<u64>> {
        let node = self.nodes[0];
        let Some(Mailbox::Settle(settle)) = self.asked(&node) else { return None };
        let receipts = settle.receipts.len() as u64;
        self.answer(&node, &MailboxResult::Settled(Settled { items: 1, receipts }));
        Some(settle.items)
    }

    fn is_quiet(&mut self) -> bool {
        let node = self.nodes[0];
        self.asked(&node).is_none()
    }

    /// Milliseconds until one of the nodes wants something, the second of which wants nothing soon.
    fn due(&self) -> u64 {
        let due = self.receiver.due().unwrap().since(Instant::default()).as_millis() as u64;
        due.saturating_sub(self.now)
    }
}

/// A rig with one node, and three items of one sender.
fn rig(open_per_sender: usize, every: u64) -> (Rig, [Lies; 3]) {
    let every = Duration::from_millis(every);
    let config = ReceiverConfig { open_per_sender, every, ..ReceiverConfig::default() };
    let mut rig = Rig::with(&config);
    let node = rig.nodes[1];
    rig.receiver.poll(at(0), &mut rig.rng, |one| *one == node);
    let lie = [1, 2, 3].map(|number| rig.item(1, number, number));
    (rig, lie)
}

/// After one of which something had to stay behind, the next page is not read for two seconds.
#[test]
fn the_next_page_waits_while_something_stays_behind() {
    let (mut rig, [first, second, third]) = rig(1, 60_000);
    rig.begins();
    assert_eq!(rig.reads(None, &[&first, &second], true), [1]);
    assert_eq!((rig.is_quiet(), rig.due()), (true, PAUSE));
    rig.now += PAUSE - 1;
    assert!(rig.is_quiet());
    rig.now += 1;
    assert_eq!(rig.due(), 0);
    assert_eq!(rig.reads(Some(2), &[&third], false), Vec::<u64>::new());
    assert_eq!((rig.is_quiet(), rig.due()), (true, 60_000), "that was the last one");
}

/// What was taken makes room: then that comes first which stayed behind, from the first page on.
#[test]
fn room_has_the_first_page_read_again() {
    let (mut rig, [first, second, third]) = rig(1, 60_000);
    rig.begins();
    assert_eq!(rig.reads(None, &[&first, &second], true), [1]);
    rig.commits(&first);
    assert_eq!(rig.due(), 0);
    assert_eq!(rig.tells(), Some(vec![1]));
    assert_eq!(rig.reads(None, &[&second, &third], true), [2]);
    assert_eq!((rig.is_quiet(), rig.due()), (true, PAUSE));
    // After the last page it is a visit of its own, at once too.
    rig.now += PAUSE;
    assert_eq!(rig.reads(Some(3), &[], false), Vec::<u64>::new());
    assert!(rig.is_quiet());
    rig.now += GATHER;
    rig.commits(&second);
    assert_eq!(rig.due(), 0);
    assert!(matches!(rig.asked(&rig.nodes[0].clone()), Some(Mailbox::Deposit(_))));
    let node = rig.nodes[0];
    rig.answer(&node, &MailboxResult::Deposited(Deposited { left: 128, items: 1 }));
    assert_eq!(rig.tells(), Some(vec![2]));
    assert_eq!(rig.reads(None, &[&third], false), [3]);
    // Room that nobody waits for is no reason to visit anybody.
    rig.commits(&third);
    assert_eq!((rig.is_quiet(), rig.due()), (true, 60_000));
}

/// What is taken after a visit is told together: five seconds later, or at the next visit if that is sooner.
#[test]
fn what_was_taken_is_told_every_five_seconds() {
    for (every, gather) in [(60_000, GATHER), (GATHER - 1_000, GATHER - 1_000)] {
        let (mut rig, [first, second, third]) = rig(9, every);
        rig.begins();
        assert_eq!(rig.reads(None, &[&first, &second, &third], false), [1, 2, 3]);
        rig.now += 1_000;
        rig.commits(&first);
        rig.commits(&second);
        rig.now += gather - 1_001;
        assert!(rig.is_quiet());
        rig.now += 1;
        if every > GATHER {
            assert_eq!(rig.tells(), Some(vec![1, 2]));
            rig.commits(&third);
            rig.now += GATHER - 1;
            assert!(rig.is_quiet());
            rig.now += 1;
            assert_eq!(rig.tells(), Some(vec![3]));
            assert!(rig.is_quiet());
        } else {
            assert_eq!(rig.due(), 0, "the next visit");
        }
    }
}

/// Between pages it is told at once, so that there is room at both ends.
#[test]
fn between_pages_what_was_taken_is_told_at_once() {
    let (mut rig, [first, second, third]) = rig(9, 60_000);
    rig.begins();
    assert_eq!(rig.reads(None, &[&first, &second], true), [1, 2]);
    rig.commits(&first);
    assert_eq!(rig.tells(), Some(vec![1]));
    rig.commits(&second);
    assert_eq!(rig.tells(), Some(vec![2]));
    assert_eq!(rig.reads(Some(2), &[&third], false), [3]);
    // One request at a time, and none of what nobody waits for.
    assert!(rig.is_quiet());
}

/// A page that does not get any further, and one that nobody asked for.
#[test]
fn a_page_without_anything_new_ends_the_visit() {
    let (mut rig, [first, second, _]) = rig(9, 60_000);
    let node = rig.nodes[0];
    let page = MailboxResult::Page(Page { more: true, items: vec![second.item.clone()] });
    assert_eq!(rig.answer(&node, &page), Vec::<u64>::new(), "nobody asked");
    rig.begins();
    assert_eq!(rig.answer(&node, &page), Vec::<u64>::new(), "nor now");
    assert_eq!(rig.reads(None, &[&second, &first, &second], true), [2]);
    assert_eq!(rig.reads(Some(2), &[&first], true), Vec::<u64>::new());
    assert_eq!((rig.is_quiet(), rig.due()), (true, 60_000));
    // Nor does one without any item, which says that there are more.
    rig.begins();
    assert_eq!(rig.reads(None, &[], true), Vec::<u64>::new());
    assert!(rig.is_quiet());
}

/// One that answers something else than it was asked is left alone until the next visit is due.
#[test]
fn a_node_that_answers_something_else_is_left_alone() {
    let (mut rig, [first, ..]) = rig(9, 60_000);
    let node = rig.nodes[0];
    rig.begins();
    assert!(matches!(rig.asked(&node), Some(Mailbox::Fetch(_))));
    let deposited = MailboxResult::Deposited(Deposited { left: 1, items: 9 });
    assert_eq!(rig.answer(&node, &deposited), Vec::<u64>::new());
    assert_eq!((rig.is_quiet(), rig.due()), (true, 60_000));
    assert!(rig.receiver.nodes().any(|known| known == (&node, Some(128), Some(1))));
    rig.now += 60_000;
    rig.begins();
    assert_eq!(rig.reads(None, &[&first], false), [1]);
}

/// A node whose prekeys are of no use, as their private halves are gone, is to forget them.
#[test]
fn a_node_forgets_prekeys_of_which_nothing_is_left() {
    let mut rig = Rig::new(9, 9);
    let node = rig.nodes[0];
    let deposit = |rig: &mut Rig| match rig.asked(&node) {
        Some(Mailbox::Deposit(deposit)) => deposit,
        other => panic!("{other:?}"),
    };
    let first = deposit(&mut rig);
    assert!(first.reset && first.keys.is_empty() && first.last_resort.is_some());
    rig.answer(&node, &MailboxResult::Deposited(Deposited { left: 0, items: 0 }));
    let second = deposit(&mut rig);
    assert!(second.reset && second.keys.len() == 128, "there are none from before");
    rig.restart();
    rig.now += 1;
    assert!(!deposit(&mut rig).reset, "they are on disk, and may have come there");
    rig.disk = Disk::default();
    rig.restart();
    assert!(deposit(&mut rig).reset);
}
