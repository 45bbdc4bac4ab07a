//! What a receiver still has to tell its mailbox nodes: all of them, over a restart, so much and for so
//! long (`docs/PROTOCOL.md` §18.6).

use std::time::Duration;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::id::MessageId;
use peer_protocol::limits::{MAX_ITEM_TTL, MAX_MAIL_RECEIPTS, MAX_RECEIPT_IDS, MAX_SETTLED_ITEMS};
use peer_protocol::mailbox::{
    Change, MailReceipt, MailStatus, Output, Receiver, ReceiverConfig, Settlement,
};
use peer_protocol::message::{Deposited, Mailbox, MailboxResult, Page, PageItem, Settle, Settled};
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, rng};

/// Most receipts that are owed, and how many of them give way at once.
const MOST: u64 = 32_768;
const GIVING_WAY: usize = 2_048;
/// Most items of one node that are done with and that it is still to delete.
const MOST_DONE: u64 = 16_384;

struct Rig {
    rng: StdRng,
    receiver: Receiver,
    config: ReceiverConfig,
    disk: Disk,
    nodes: Vec<PublicKey>,
    now: u64,
}

impl Rig {
    fn new(nodes: u8) -> Self {
        let nodes: Vec<_> = (0..nodes).map(|place| key_of(&identity("node", 10 + place))).collect();
        let config = ReceiverConfig { nodes: nodes.clone(), ..ReceiverConfig::default() };
        let receiver = restored(&config, &Disk::default());
        Self { rng: rng(1), receiver, config, disk: Disk::default(), nodes, now: 0 }
    }

    fn restart(&mut self) {
        self.receiver = restored(&self.config, &self.disk);
    }

    fn ids(&mut self, count: usize) -> Vec<MessageId> {
        (0..count).map(|_| MessageId::random(&mut self.rng)).collect()
    }

    fn settlement(&mut self, seed: u8, ids: &[MessageId], status: MailStatus) -> Settlement {
        let (sender, now) = (sender(seed), at(self.now).timestamp);
        self.receiver.settle(&sender, ids, status, None, now)
    }

    /// Messages of `seed` are taken; returns what gave way to their receipts.
    fn take(&mut self, seed: u8, ids: &[MessageId]) -> Vec<Change> {
        let settlement = self.settlement(seed, ids, MailStatus::Delivered);
        self.disk.apply(settlement.changes.clone());
        let gone = self.receiver.committed(settlement);
        self.disk.apply(gone.clone());
        gone
    }

    /// What the node is asked, which gives that page, has room for no prekeys and keeps `kept` receipts
    /// of each request.
    fn visit(&mut self, place: usize, items: &[PageItem], kept: u64) -> Vec<Settle> {
        let node = self.nodes[place];
        self.receiver.hasten(&node, at(self.now));
        let (mut told, mut page) = (Vec::new(), items.to_vec());
        for _ in 0..1_000 {
            let outputs = self.receiver.poll(at(self.now), &mut self.rng, |one| *one == node);
            let Some(Output::Ask { request, .. }) = outputs.into_iter().last() else { return told };
            let answer = match *request {
                Mailbox::Deposit(_) => MailboxResult::Deposited(Deposited { left: 128, items: 0 }),
                Mailbox::Fetch(_) => {
                    MailboxResult::Page(Page { more: false, items: std::mem::take(&mut page) })
                }
                Mailbox::Settle(settle) => {
                    let receipts = kept.min(settle.receipts.len() as u64);
                    told.push(settle);
                    MailboxResult::Settled(Settled { items: 0, receipts })
                }
                other => panic!("{other:?}"),
            };
            let (_, changes) = self.receiver.on_answer(&node, &answer, at(self.now));
            self.disk.apply(changes);
        }
        panic!("it asks for ever");
    }

    /// How many rows of a kind there are on disk.
    fn rows(&self, kind: u8) -> usize {
        self.disk.0.keys().filter(|key| key[0] == kind).count()
    }

    fn tick(&mut self, after: Duration) -> usize {
        let changes = self.receiver.tick(at(self.now).timestamp + after);
        let count = changes.len();
        self.disk.apply(changes);
        count
    }
}

fn restored(config: &ReceiverConfig, disk: &Disk) -> Receiver {
    let own = identity("receiver", 2);
    Receiver::new(config.clone(), own, SuiteRegistry::default(), disk.rows())
}

fn sender(seed: u8) -> PublicKey {
    key_of(&identity("sender", seed))
}

/// Items that never open, of these numbers.
fn junk(numbers: impl IntoIterator<Item = u64>) -> Vec<PageItem> {
    let one = |number| PageItem { number, item: ByteBuf::from(vec![0; 9]) };
    numbers.into_iter().map(one).collect()
}

fn receipts(told: &[Settle]) -> Vec<MailReceipt> {
    let all = told.iter().flat_map(|settle| &settle.receipts);
    all.map(|bytes| MailReceipt::verify(bytes).unwrap()).collect()
}

#[test]
fn every_node_is_told_and_then_nothing_is_owed() {
    let mut rig = Rig::new(2);
    let nodes = rig.nodes.clone();
    rig.visit(0, &[], 0);
    rig.visit(1, &[], 0);
    assert!(nodes.iter().all(|node| !rig.receiver.is_busy(node)));
    let ids = rig.ids(3);
    rig.take(1, &ids);
    rig.take(3, &ids[..1]);
    for (place, node) in nodes.iter().enumerate() {
        assert_eq!((rig.receiver.owed(node), rig.receiver.is_busy(node)), (4, true));
        assert_eq!(rig.rows(b'o'), 2, "until the last node knows");
        let told = receipts(&rig.visit(place, &[], u64::MAX));
        assert_eq!(told.iter().map(|one| one.ids.len()).collect::<Vec<_>>(), [3, 1]);
        assert_eq!((rig.receiver.owed(node), rig.receiver.is_busy(node)), (0, false));
    }
    assert_eq!(rig.rows(b'o'), 0);
    rig.now += 60_000;
    assert!(rig.visit(0, &[], u64::MAX).is_empty(), "nothing is said twice");
}

/// What is written in one run is neither overwritten nor told as something else in the next.
#[test]
fn what_is_owed_outlives_restarts() {
    let mut rig = Rig::new(2);
    let ids = rig.ids(6);
    for (number, id) in ids.iter().enumerate() {
        rig.take(1, &[*id]);
        rig.restart();
        assert_eq!(rig.rows(b'o'), number + 1);
        assert_eq!(rig.receiver.owed(&rig.nodes[1]), number + 1);
    }
    let told = receipts(&rig.visit(0, &[], u64::MAX));
    assert_eq!((told.len(), &told[0].ids), (1, &ids), "the oldest first");
    // A receipt that is not on disk is owed to nobody.
    let unwritten = rig.ids(1);
    let settlement = rig.settlement(1, &unwritten, MailStatus::Delivered);
    rig.receiver.not_committed(&settlement);
    assert_eq!(rig.receiver.owed(&rig.nodes[0]), 0);
}

#[test]
fn what_no_node_wants_to_hear_is_forgotten_after_two_weeks() {
    let mut rig = Rig::new(1);
    let ids = rig.ids(2);
    rig.take(1, &ids[..1]);
    rig.visit(0, &junk([7]), 0);
    assert_eq!(rig.rows(b'o'), 1);
    let (before, after) = (MAX_ITEM_TTL - Duration::from_millis(1), MAX_ITEM_TTL);
    assert_eq!(rig.tick(before), 0);
    rig.now = 1;
    rig.take(1, &ids[1..]);
    rig.now = 0;
    rig.tick(after);
    assert_eq!((rig.rows(b'o'), rig.receiver.owed(&rig.nodes[0])), (1, 1));
    rig.now = 1;
    rig.tick(after);
    assert_eq!((rig.rows(b'o'), rig.receiver.owed(&rig.nodes[0])), (0, 0));
}

/// As one request holds: 512 items, and 64 receipts of 512 messages.
#[test]
fn a_node_is_told_as_much_at_once_as_a_request_holds() {
    let mut rig = Rig::new(1);
    let items = junk(1..=MAX_SETTLED_ITEMS as u64 + 1);
    let told = rig.visit(0, &items, u64::MAX);
    let numbers: Vec<_> = told.iter().flat_map(|settle| settle.items.clone()).collect();
    assert!(told.is_empty() && numbers.is_empty(), "that is gathered for a while");
    assert!(rig.receiver.is_busy(&rig.nodes[0]));
    rig.now += 60_000;
    let told = rig.visit(0, &[], u64::MAX);
    let lens: Vec<_> = told.iter().map(|settle| settle.items.len()).collect();
    assert_eq!(lens, [MAX_SETTLED_ITEMS, 1]);
    assert!(!rig.receiver.is_busy(&rig.nodes[0]));

    for seed in 20..20 + MAX_MAIL_RECEIPTS as u8 + 1 {
        let ids = rig.ids(1);
        rig.take(seed, &ids);
    }
    rig.now += 60_000;
    let told = rig.visit(0, &[], u64::MAX);
    let lens: Vec<_> = told.iter().map(|settle| settle.receipts.len()).collect();
    assert_eq!(lens, [MAX_MAIL_RECEIPTS, 1]);

    let ids = rig.ids(2 * MAX_RECEIPT_IDS + 1);
    let (first, rest) = ids.split_at(MAX_RECEIPT_IDS - 1);
    rig.take(1, first);
    rig.now += 1;
    rig.take(1, &rest[..1]);
    rig.take(1, &rest[1..]);
    assert_eq!(rig.receiver.owed(&rig.nodes[0]), ids.len());
    rig.now += 60_000;
    let told = receipts(&rig.visit(0, &[], u64::MAX));
    let lens: Vec<_> = told.iter().map(|receipt| receipt.ids.len()).collect();
    assert_eq!(lens, [MAX_RECEIPT_IDS, MAX_RECEIPT_IDS, 1]);
    assert_eq!(told.iter().flat_map(|receipt| receipt.ids.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(told[0].at, told[1].at, "made when the last of it was");
}

/// Beyond so many those give way that some node knows; without such ones the oldest of whom most is owed.
#[test]
fn what_is_owed_is_bounded() {
    let mut rig = Rig::new(2);
    let ids = rig.ids(1);
    for _ in 0..100 {
        rig.take(3, &ids);
    }
    for _ in 0..MOST - 100 {
        assert_eq!(rig.take(1, &ids), []);
    }
    assert_eq!(rig.take(3, &ids).len(), GIVING_WAY);
    assert_eq!(rig.rows(b'o') as u64, MOST + 1 - GIVING_WAY as u64);
    let left: Vec<_> = rig.disk.0.keys().filter(|key| key[0] == b'o').take(101).collect();
    let number = |key: &[u8]| u64::from_be_bytes(key[1..].try_into().unwrap());
    assert_eq!(number(left[99]), 99, "those of the other stay");
    assert_eq!(number(left[100]), 100 + GIVING_WAY as u64);

    // Of one that the first node knows by now nobody will ask it again.
    rig.take(4, &ids);
    rig.now += 60_000;
    rig.visit(0, &[], 1);
    let known: usize = rig.nodes.iter().map(|node| rig.receiver.owed(node)).sum();
    assert!(known < 2 * rig.rows(b'o'), "some are told to one of two");
    let told = rig.rows(b'o') - rig.receiver.owed(&rig.nodes[0]);
    let room = MOST as usize - rig.rows(b'o');
    for _ in 0..room {
        assert_eq!(rig.take(1, &ids), []);
    }
    assert_eq!(rig.take(1, &ids).len(), told.min(GIVING_WAY));
}

/// A node that shows what never opens, under more and more numbers, fills no memory.
#[test]
fn what_is_done_with_is_bounded() {
    let mut rig = Rig::new(1);
    rig.visit(0, &junk(1..=MOST_DONE + 2), 0);
    assert_eq!(rig.rows(b'd'), 0, "it is found so again");
    rig.now += 60_000;
    let told = rig.visit(0, &[], 0);
    let numbers: Vec<_> = told.iter().flat_map(|settle| settle.items.clone()).collect();
    assert_eq!(numbers, (3..=MOST_DONE + 2).collect::<Vec<_>>());
}
