//! Which items a receiver has open when there is not room for all, and until when (`docs/PROTOCOL.md`
//! §18.6).

use std::time::Duration;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::id::{ItemId, MessageId, StreamId};
use peer_protocol::limits::MAX_ITEM_TTL;
use peer_protocol::mailbox::{
    Draft, MailStatus, Output, Prekey, Receiver, ReceiverConfig, Settlement,
};
use peer_protocol::message::{Deposited, Mailbox, MailboxResult, Page, PageItem, Settled};
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, ordered, rng};

const NONE: [u64; 0] = [];

/// A receiver and what its two mailbox nodes show.
pub(super) struct Rig {
    pub(super) rng: StdRng,
    pub(super) receiver: Receiver,
    config: ReceiverConfig,
    pub(super) disk: Disk,
    prekey: Prekey,
    pub(super) nodes: [PublicKey; 2],
    /// What they were told to delete.
    pub(super) settled: Vec<(PublicKey, u64)>,
    pub(super) now: u64,
}

/// An item as it lies at a node, and its first message.
#[derive(Clone)]
pub(super) struct Lies {
    pub(super) item: PageItem,
    sender: PublicKey,
    pub(super) message: MessageId,
}

impl Rig {
    pub(super) fn new(open_per_sender: usize, open: usize) -> Self {
        Self::with(&ReceiverConfig { open_per_sender, open, ..ReceiverConfig::default() })
    }

    pub(super) fn with(config: &ReceiverConfig) -> Self {
        let (mut rng, nodes) = (rng(1), [10, 11].map(|seed| key_of(&identity("node", seed))));
        let config = ReceiverConfig { nodes: nodes.to_vec(), ..config.clone() };
        let (mut receiver, mut disk) = (restored(&config, &Disk::default()), Disk::default());
        let (prekey, changes) = receiver.last_resort(at(0).timestamp, &mut rng);
        disk.apply(changes);
        Self { rng, receiver, config, disk, prekey, nodes, settled: Vec::new(), now: 0 }
    }

    pub(super) fn restart(&mut self) {
        self.receiver = restored(&self.config, &self.disk);
    }

    /// Message `first` of the sender `seed`, as an item that has that number at its node.
    pub(super) fn item(&mut self, seed: u8, first: u64, number: u64) -> Lies {
        let (sender, recipient) = (identity("sender", seed), key_of(&identity("receiver", 2)));
        let stream = StreamId::random(&mut self.rng);
        let message = ordered(&mut self.rng, "x", stream, first, first.checked_sub(1));
        let now = at(self.now).timestamp;
        let draft = Draft {
            id: ItemId::random(&mut self.rng),
            recipient: &recipient,
            prekey: &self.prekey,
            expires: now + Duration::from_secs(86_400),
            messages: std::slice::from_ref(&message),
            spent: &[],
        };
        let suites = SuiteRegistry::default();
        let suite = suites.get(SuiteRegistry::AES_256_GCM).unwrap();
        let item = draft.seal(&sender, suite, now, &mut self.rng).unwrap();
        let item = PageItem { item: ByteBuf::from(item.as_bytes().to_vec()), number };
        Lies { item, sender: key_of(&sender), message: message.id }
    }

    /// What is asked of a node. What has to be on disk before is.
    pub(super) fn asked(&mut self, node: &PublicKey) -> Option<Mailbox> {
        for output in self.receiver.poll(at(self.now), &mut self.rng, |one| one == node) {
            match output {
                Output::Save(changes) => self.disk.apply(changes),
                Output::Ask { request, .. } => return Some(*request),
            }
        }
        None
    }

    pub(super) fn answer(&mut self, node: &PublicKey, answer: &MailboxResult) -> Vec<u64> {
        let (opened, changes) = self.receiver.on_answer(node, answer, at(self.now));
        self.disk.apply(changes);
        opened.iter().map(|one| one.number).collect()
    }

    /// A page with all of these that the node was not told to delete.
    pub(super) fn page(&self, node: &PublicKey, lie: &[&Lies]) -> MailboxResult {
        let items = lie.iter().map(|one| one.item.clone());
        let items = items.filter(|one| !self.settled.contains(&(*node, one.number))).collect();
        MailboxResult::Page(Page { more: false, items })
    }

    /// A node shows these, and nothing else: the numbers at the node of those that are handed over.
    pub(super) fn shows(&mut self, place: usize, lie: &[&Lies]) -> Vec<u64> {
        let node = self.nodes[place];
        self.receiver.hasten(&node, at(self.now));
        let mut handed = Vec::new();
        for _ in 0..20 {
            let answer = match self.asked(&node) {
                None => return handed,
                Some(Mailbox::Deposit(_)) => {
                    MailboxResult::Deposited(Deposited { left: 128, items: 0 })
                }
                Some(Mailbox::Fetch(_)) => self.page(&node, lie),
                Some(Mailbox::Settle(settle)) => {
                    self.settled.extend(settle.items.iter().map(|number| (node, *number)));
                    MailboxResult::Settled(Settled { items: 0, receipts: 64 })
                }
                other => panic!("{other:?}"),
            };
            handed.extend(self.answer(&node, &answer));
        }
        panic!("it asks for ever");
    }

    pub(super) fn holds(&mut self, lie: &[&Lies]) {
        lie.iter().for_each(|one| self.receiver.held(&one.sender, one.message));
    }

    pub(super) fn takes(&mut self, one: &Lies) -> Settlement {
        let (status, now) = (MailStatus::Delivered, at(self.now).timestamp);
        self.receiver.settle(&one.sender, &[one.message], status, None, now)
    }

    pub(super) fn writes(&mut self, settlement: Settlement) {
        self.disk.apply(settlement.changes.clone());
        let gone = self.receiver.committed(settlement);
        self.disk.apply(gone);
    }

    /// How many rows say that an item is done with.
    pub(super) fn done(&self) -> usize {
        self.disk.0.keys().filter(|key| key[0] == b'd').count()
    }
}

fn restored(config: &ReceiverConfig, disk: &Disk) -> Receiver {
    let own = identity("receiver", 2);
    Receiver::new(config.clone(), own, SuiteRegistry::default(), disk.rows())
}

/// When all places are taken, the sender that has most gives one up, the one with the highest number.
#[test]
fn whoever_has_most_gives_one_up() {
    let mut rig = Rig::new(3, 4);
    let most = [rig.item(1, 6, 1), rig.item(1, 8, 2), rig.item(1, 7, 3)];
    let few = rig.item(3, 9, 4);
    assert_eq!(rig.shows(0, &[&most[0], &most[1], &most[2], &few]), [1, 2, 3, 4]);
    let other = rig.item(4, 100, 5);
    assert_eq!(rig.shows(1, &[&other]), [5]);
    assert_eq!(rig.receiver.open(), 4);
    // The second was given up; that it is shown again changes nothing as long as there is no room.
    rig.now += 60_000;
    let left = [&most[0], &most[1], &most[2], &few];
    assert_eq!(rig.shows(0, &left), [1, 3, 4], "nothing was heard of them");
    assert_eq!(rig.receiver.open(), 4);
}

/// Of senders with as many as it has, none gives way to one, wherever they are found first.
#[test]
fn nobody_gives_way_to_a_sender_with_as_many() {
    for _ in 0..20 {
        let mut rig = Rig::new(9, 4);
        let lie = [1, 3, 4, 5].map(|seed| rig.item(seed, 5, u64::from(seed)));
        assert_eq!(rig.shows(0, &lie.each_ref()), [1, 3, 4, 5]);
        let later = rig.item(1, 6, 6);
        assert_eq!(rig.shows(1, &[&later]), NONE);
    }
}

/// Its own give way if they come later.
#[test]
fn a_sender_with_as_many_as_any_finds_room_among_its_own() {
    let mut rig = Rig::new(9, 4);
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2), rig.item(3, 5, 3), rig.item(3, 6, 4)];
    assert_eq!(rig.shows(0, &lie.each_ref()), [1, 2, 3, 4]);
    let [later, before, same] = [rig.item(1, 7, 5), rig.item(1, 4, 6), rig.item(1, 5, 7)];
    assert_eq!(rig.shows(1, &[&later]), NONE);
    assert_eq!(rig.shows(1, &[&before]), [6]);
    // 4 and 5 are open: what stands before neither finds no room while they are being judged, and in the
    // place of one that waits if it stands where that does.
    assert_eq!(rig.shows(1, &[&same]), NONE);
    rig.holds(&[&lie[0], &lie[1]]);
    assert_eq!(rig.shows(1, &[&same]), [7]);
    assert_eq!(rig.receiver.open(), 4);
}

/// What is being written stays, whoever comes.
#[test]
fn what_is_being_written_gives_way_to_nobody() {
    let mut rig = Rig::new(1, 9);
    let [later, before] = [rig.item(1, 5, 1), rig.item(1, 4, 2)];
    assert_eq!(rig.shows(0, &[&later]), [1]);
    let written = rig.takes(&later);
    assert!(rig.takes(&later).changes.len() < written.changes.len(), "it is finished once");
    assert_eq!(rig.shows(0, &[&later, &before]), NONE);
    rig.writes(written);
    assert_eq!(rig.receiver.open(), 0);
    assert_eq!(rig.shows(0, &[&before]), [2]);

    let mut rig = Rig::new(9, 1);
    let [first, other] = [rig.item(1, 5, 1), rig.item(3, 4, 2)];
    assert_eq!(rig.shows(0, &[&first]), [1]);
    let written = rig.takes(&first);
    assert_eq!(rig.shows(0, &[&first, &other]), NONE);
    rig.writes(written);
    assert_eq!(rig.shows(0, &[&other]), [2]);
}

/// One that was handed over is not handed over again for a minute; of one that waits its node is asked
/// again each time.
#[test]
fn what_is_handed_over_is_handed_over_again_after_a_minute() {
    let mut rig = Rig::new(9, 9);
    let lie = rig.item(1, 5, 1);
    assert_eq!(rig.shows(0, &[&lie]), [1]);
    rig.now = 59_999;
    assert_eq!(rig.shows(0, &[&lie]), NONE);
    rig.now = 60_000;
    assert_eq!(rig.shows(0, &[&lie]), [1]);
    rig.holds(&[&lie]);
    assert_eq!(rig.shows(0, &[&lie]), [1]);
    assert_eq!(rig.shows(0, &[&lie]), NONE);
    // Others' messages hold nothing up, nor do others of its sender.
    rig.receiver.held(&key_of(&identity("sender", 3)), lie.message);
    let other = MessageId::random(&mut rig.rng);
    rig.receiver.held(&lie.sender, other);
    assert_eq!(rig.shows(0, &[&lie]), NONE);
}

/// Of a node that is gone nothing takes room for more than a quarter of an hour, as far as it waits.
#[test]
fn what_a_node_that_is_gone_had_is_not_waited_for() {
    let mut rig = Rig::new(9, 2);
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2)];
    assert_eq!(rig.shows(0, &lie.each_ref()), [1, 2]);
    rig.holds(&lie.each_ref());
    let (first, second) = (rig.item(1, 7, 1), rig.item(1, 8, 2));
    rig.now = 899_999;
    assert_eq!(rig.shows(1, &[&first]), NONE);
    rig.now = 900_000;
    assert_eq!(rig.shows(1, &[&first, &second]), [1, 2]);
    assert_eq!(rig.receiver.open(), 2);
    // What is being written is not forgotten, however long it takes.
    let written = rig.takes(&first);
    rig.now = 1_900_000;
    let third = rig.item(1, 9, 1);
    assert_eq!(rig.shows(0, &[&third]), [1], "in the place of the other");
    assert_eq!(rig.receiver.open(), 2);
    rig.writes(written);
    assert_eq!(rig.receiver.open(), 1);
}

/// A round that ends says what a node still has; what is being taken then is not forgotten.
#[test]
fn what_a_node_does_not_show_is_forgotten_unless_it_is_being_taken() {
    let mut rig = Rig::new(9, 9);
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2), rig.item(1, 7, 3)];
    assert_eq!(rig.shows(0, &lie.each_ref()), [1, 2, 3]);
    let at_the_other = rig.item(1, 8, 1);
    assert_eq!(rig.shows(1, &[&at_the_other]), [1]);
    rig.holds(&[&lie[0], &lie[1], &at_the_other]);
    rig.now += 1;
    assert_eq!(rig.shows(0, &[&lie[0]]), [1]);
    assert_eq!(rig.receiver.open(), 3, "the first, the third, and the other node's");
    rig.now += 60_000;
    assert_eq!(rig.shows(0, &[]), NONE);
    assert_eq!(rig.receiver.open(), 1);
}

/// One for which there is no room stays open if its node shows it, in the very moment too.
#[test]
fn what_waits_for_room_in_bytes_is_not_forgotten() {
    let mut rig = Rig::new(9, 9);
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2)];
    let len = lie[1].item.item.len();
    for (open_bytes, handed) in [(2 * len, vec![1, 2]), (2 * len - 1, vec![1])] {
        let mut rig = Rig::with(&ReceiverConfig { open_bytes, ..ReceiverConfig::default() });
        let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2)];
        assert_eq!(rig.shows(0, &[&lie[1]]), [2]);
        rig.holds(&[&lie[1]]);
        rig.now += 1;
        assert_eq!(rig.shows(0, &lie.each_ref()), handed);
        assert_eq!(rig.receiver.open(), 2);
    }
    // One that is larger than there is room finds it when nothing else is open.
    let mut rig = Rig::with(&ReceiverConfig { open_bytes: 1, ..ReceiverConfig::default() });
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2)];
    assert_eq!(rig.shows(0, &lie.each_ref()), [1]);
}

/// What is done with is told to its node also after a restart, and is not opened once more.
#[test]
fn what_is_done_with_is_told_after_a_restart() {
    let mut rig = Rig::new(9, 9);
    let lie = [rig.item(1, 5, 1), rig.item(1, 6, 2)];
    let node = rig.nodes[0];
    assert_eq!(rig.shows(0, &lie.each_ref()), [1, 2]);
    let taken = rig.takes(&lie[0]);
    rig.writes(taken);
    assert_eq!((rig.done(), rig.receiver.is_busy(&node)), (1, true));
    rig.restart();
    assert!(rig.receiver.is_busy(&node) && rig.receiver.open() == 0);
    assert_eq!(rig.shows(0, &lie.each_ref()), [2]);
    assert_eq!((rig.settled.clone(), rig.done()), (vec![(node, 1)], 0));

    // Without anybody who wants to know: for as long as it could lie there.
    let taken = rig.takes(&lie[1]);
    rig.writes(taken);
    let end = at(rig.now).timestamp + MAX_ITEM_TTL;
    rig.disk.apply(
        rig.receiver.tick(at(rig.now).timestamp + (MAX_ITEM_TTL - Duration::from_millis(1))),
    );
    assert_eq!(rig.done(), 1);
    rig.disk.apply(rig.receiver.tick(end));
    assert_eq!(rig.done(), 0);
}

/// A page that was asked for before an item was done with may still have it.
#[test]
fn a_page_from_before_brings_nothing_back() {
    let mut rig = Rig::new(9, 9);
    let lie = rig.item(1, 5, 1);
    let node = rig.nodes[0];
    assert_eq!(rig.shows(0, &[&lie]), [1]);
    rig.receiver.hasten(&node, at(rig.now));
    assert!(matches!(rig.asked(&node), Some(Mailbox::Deposit(_))));
    rig.answer(&node, &MailboxResult::Deposited(Deposited { left: 128, items: 1 }));
    assert!(matches!(rig.asked(&node), Some(Mailbox::Fetch(_))));
    let taken = rig.takes(&lie);
    rig.writes(taken);
    let page = rig.page(&node, &[&lie]);
    assert_eq!(rig.answer(&node, &page), NONE);
    assert_eq!(rig.receiver.open(), 0);
}
