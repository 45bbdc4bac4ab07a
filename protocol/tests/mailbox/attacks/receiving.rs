//! A receiver that has less room than there is mail.

use std::time::Duration;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{ItemId, MessageId, StreamId};
use peer_protocol::mailbox::{
    Draft, Keeper, KeeperConfig, MailReceipt, MailStatus, Opened, Output, Prekey, Receiver,
    ReceiverConfig,
};
use peer_protocol::message::{
    Collect, Mailbox, MailboxResult, Message, Put, PutOutcome, Settle, Settled,
};
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, ordered, rng};

const DAY: Duration = Duration::from_secs(86_400);

/// A receiver, and its one mailbox node.
struct Rig {
    rng: StdRng,
    node: PublicKey,
    keeper: Keeper,
    kept: Disk,
    receiver: Receiver,
    disk: Disk,
    prekey: Prekey,
    stream: StreamId,
    now: u64,
    asked: Vec<Mailbox>,
}

impl Rig {
    fn new(keep: KeeperConfig, config: &ReceiverConfig) -> Self {
        let mut rng = rng(1);
        let node = key_of(&identity("node", 10));
        let config = ReceiverConfig { nodes: vec![node], prekeys: 2, ..config.clone() };
        let suites = SuiteRegistry::default();
        let mut receiver = Receiver::new(config, identity("receiver", 2), suites, []);
        let (prekey, changes) = receiver.last_resort(at(0).timestamp, &mut rng);
        let mut disk = Disk::default();
        disk.apply(changes);
        let keeper = Keeper::new(keep, at(0).timestamp);
        let stream = StreamId::random(&mut rng);
        let (kept, asked) = (Disk::default(), Vec::new());
        let mut rig =
            Self { rng, node, keeper, kept, receiver, disk, prekey, stream, now: 0, asked };
        rig.visit();
        rig
    }

    fn own(&self) -> PublicKey {
        key_of(&identity("receiver", 2))
    }

    fn message(&mut self, number: u64, after: Option<u64>) -> Message {
        ordered(&mut self.rng, &format!("{number}"), self.stream, number, after)
    }

    /// Puts messages of the sender `seed`, as one item.
    fn put(&mut self, seed: u8, messages: &[Message]) {
        let sender = identity("sender", seed);
        let recipient = self.own();
        let draft = Draft {
            id: ItemId::random(&mut self.rng),
            recipient: &recipient,
            prekey: &self.prekey,
            expires: at(self.now).timestamp + DAY,
            messages,
            spent: &[],
        };
        let suites = SuiteRegistry::default();
        let suite = suites.get(SuiteRegistry::AES_256_GCM).unwrap();
        let now = at(self.now).timestamp;
        let item = draft.seal(&sender, suite, now, &mut self.rng).unwrap();
        let items = vec![ByteBuf::from(item.as_bytes().to_vec())];
        let put = Mailbox::Put(Put { items, owner: *recipient.as_bytes() });
        let answer = self.ask(&key_of(&sender), &put);
        let MailboxResult::Stored(stored) = answer else { panic!("{answer:?}") };
        assert_eq!(stored.items, [PutOutcome::Stored]);
    }

    fn ask(&mut self, from: &PublicKey, request: &Mailbox) -> MailboxResult {
        let decided = self.keeper.handle(from, request, true, at(self.now), &self.kept);
        self.kept.apply(decided.changes);
        decided.answer
    }

    /// Does what there is to do now: what was opened.
    fn run(&mut self) -> Vec<Opened> {
        let mut all = Vec::new();
        for _ in 0..1_000 {
            let outputs = self.receiver.poll(at(self.now), &mut self.rng, |_| true);
            if outputs.is_empty() {
                return all;
            }
            for output in outputs {
                match output {
                    Output::Save(changes) => self.disk.apply(changes),
                    Output::Ask { node, request } => {
                        let answer = self.ask(&self.own(), &request);
                        self.asked.push(*request);
                        let (opened, changes) =
                            self.receiver.on_answer(&node, &answer, at(self.now));
                        self.disk.apply(changes);
                        all.extend(opened);
                    }
                }
            }
        }
        panic!("the receiver asks for ever");
    }

    fn visit(&mut self) -> Vec<Opened> {
        self.receiver.hasten(&self.node, at(self.now));
        self.run()
    }

    fn settle(&mut self, seed: u8, ids: &[MessageId], status: MailStatus) {
        let code = (status == MailStatus::Refused).then_some(ErrorCode::InvalidState);
        let sender = key_of(&identity("sender", seed));
        let now = at(self.now).timestamp;
        let settlement = self.receiver.settle(&sender, ids, status, code, now);
        self.disk.apply(settlement.changes.clone());
        let changes = self.receiver.committed(settlement);
        self.disk.apply(changes);
    }

    /// All messages of these wait.
    fn hold(&mut self, opened: &[Opened]) {
        for one in opened {
            for message in &one.letter.messages {
                self.receiver.held(&one.letter.sender, message.id);
            }
        }
    }

    fn settles(&mut self) -> Vec<Settle> {
        let settle = |request| match request {
            Mailbox::Settle(settle) => Some(settle),
            _ => None,
        };
        std::mem::take(&mut self.asked).into_iter().filter_map(settle).collect()
    }

    fn collect(&mut self, seed: u8) -> Vec<MailReceipt> {
        let sender = key_of(&identity("sender", seed));
        let answer = self.ask(&sender, &Mailbox::Collect(Collect { done: None }));
        let MailboxResult::Receipts(page) = answer else { panic!("{answer:?}") };
        page.receipts.iter().map(|one| MailReceipt::verify(&one.receipt).unwrap()).collect()
    }
}

fn numbers(opened: &[Opened]) -> Vec<u64> {
    let messages = opened.iter().flat_map(|one| &one.letter.messages);
    messages.map(|message| message.order.unwrap().number).collect()
}

fn ids(opened: &[Opened]) -> Vec<MessageId> {
    let messages = opened.iter().flat_map(|one| &one.letter.messages);
    messages.map(|message| message.id).collect()
}

/// Sixty-four items of one sender wait for a message that was put again and stands behind them all: it
/// finds room all the same, and what gave way to it is neither lost nor settled.
#[test]
fn the_predecessor_of_all_that_is_open_finds_room() {
    let mut rig = Rig::new(KeeperConfig::default(), &ReceiverConfig::default());
    for number in 1..=70 {
        let message = rig.message(number, Some(number - 1));
        rig.put(1, &[message]);
    }
    let first = rig.message(0, None);
    rig.put(1, std::slice::from_ref(&first));
    let page = rig.visit();
    assert_eq!(page.len(), 65, "sixty-four, and the one that the others wait for");
    assert_eq!(numbers(&page).last(), Some(&0));
    rig.hold(&page);
    assert!(rig.settles().is_empty(), "what gave way is not done with");
    rig.settle(1, &[first.id], MailStatus::Delivered);
    let mut seen = vec![0];
    for _ in 0..80 {
        // There is room for the one that gave way: it is fetched without waiting for the next visit.
        let mut opened = rig.run();
        opened.sort_by_key(|one| numbers(std::slice::from_ref(one)));
        if opened.is_empty() {
            rig.now += 60_000;
        }
        for one in opened {
            let one = std::slice::from_ref(&one);
            if numbers(one) == [seen.len() as u64] {
                seen.extend(numbers(one));
                rig.settle(1, &ids(one), MailStatus::Delivered);
            } else {
                rig.hold(one);
            }
        }
    }
    assert_eq!(seen, (0..=70).collect::<Vec<_>>());
    rig.now += 60_000;
    rig.visit();
    assert!(rig.keeper.numbers(&rig.own()).is_empty());
    assert_eq!(rig.receiver.open(), 0);
}

/// What has to stay behind is asked for again once there is room, and neither before nor for ever.
#[test]
fn what_stays_behind_is_fetched_once_there_is_room() {
    let config = ReceiverConfig { open_per_sender: 4, ..ReceiverConfig::default() };
    let mut rig = Rig::new(KeeperConfig::default(), &config);
    for number in 0..12 {
        let message = rig.message(number, number.checked_sub(1));
        rig.put(1, &[message]);
    }
    let mut opened = rig.visit();
    assert_eq!(numbers(&opened), [0, 1, 2, 3]);
    rig.asked.clear();
    for _ in 0..10 {
        assert!(rig.run().is_empty());
    }
    assert!(rig.asked.is_empty(), "nothing has changed: {:?}", rig.asked);
    // All that is there arrives without another minute, in as few rounds as can be.
    let mut taken = Vec::new();
    while !opened.is_empty() {
        taken.extend(numbers(&opened));
        rig.settle(1, &ids(&opened), MailStatus::Delivered);
        opened = rig.run();
    }
    assert_eq!(taken, (0..12).collect::<Vec<_>>());
    let fetched = rig.asked.iter().filter(|asked| matches!(asked, Mailbox::Fetch(_))).count();
    assert_eq!(fetched, 2);
}

/// A box that holds far more than may be open is not read to its end each time that there is room.
#[test]
fn a_large_box_is_read_once() {
    let mut rig = Rig::new(KeeperConfig::default(), &ReceiverConfig::default());
    for number in 0..640 {
        let message = rig.message(number, number.checked_sub(1));
        rig.put(1, &[message]);
    }
    rig.asked.clear();
    let mut taken = Vec::new();
    let mut opened = rig.visit();
    while !opened.is_empty() {
        taken.extend(numbers(&opened));
        rig.settle(1, &ids(&opened), MailStatus::Delivered);
        opened = rig.run();
    }
    assert_eq!(taken, (0..640).collect::<Vec<_>>());
    let fetched = rig.asked.iter().filter(|asked| matches!(asked, Mailbox::Fetch(_))).count();
    assert!(fetched <= 20, "{fetched} pages for ten");
}

/// A page that is read while an item is being written brings it once more: it is not opened again, and
/// when the write is done nothing of it is left.
#[test]
fn a_page_read_during_a_write_leaves_nothing_open() {
    let mut rig = Rig::new(KeeperConfig::default(), &ReceiverConfig::default());
    let message = rig.message(0, None);
    rig.put(1, std::slice::from_ref(&message));
    assert_eq!(rig.visit().len(), 1);
    let sender = key_of(&identity("sender", 1));
    let status = MailStatus::Delivered;
    let under_way =
        rig.receiver.settle(&sender, &[message.id], status, None, at(rig.now).timestamp);
    rig.now += 60_000;
    assert!(rig.visit().is_empty(), "it is being written");
    assert_eq!(rig.receiver.open(), 1);
    let changes = rig.receiver.committed(under_way);
    rig.disk.apply(changes);
    assert_eq!(rig.receiver.open(), 0);

    // The same if the write failed meanwhile: it is opened anew.
    let message = rig.message(1, None);
    rig.put(1, std::slice::from_ref(&message));
    rig.now += 60_000;
    assert_eq!(rig.visit().len(), 1);
    let failed = rig.receiver.settle(&sender, &[message.id], status, None, at(rig.now).timestamp);
    rig.receiver.not_committed(&failed);
    rig.now += 60_000;
    assert_eq!(rig.visit().len(), 1);
}

/// An item that its node no longer has, since it was put again or is over, takes no room for ever.
#[test]
fn what_a_node_has_no_more_is_not_waited_for() {
    let config = ReceiverConfig { open_per_sender: 4, ..ReceiverConfig::default() };
    let mut rig = Rig::new(KeeperConfig::default(), &config);
    for number in 1..=4 {
        let message = rig.message(number, Some(0));
        rig.put(1, &[message]);
    }
    let waiting = rig.visit();
    rig.hold(&waiting);
    assert_eq!(rig.receiver.open(), 4);
    let own = rig.own();
    let items = rig.keeper.numbers(&own).into_keys().collect();
    rig.ask(&own, &Mailbox::Settle(Settle { items, receipts: Vec::new() }));
    rig.now += 60_000;
    rig.visit();
    assert_eq!(rig.receiver.open(), 0);
}

/// No more bytes are open at once than there is room for.
#[test]
fn what_is_open_is_bounded_in_bytes() {
    let config = ReceiverConfig { open_bytes: 50_000, ..ReceiverConfig::default() };
    let mut rig = Rig::new(KeeperConfig::default(), &config);
    for number in 0..6 {
        let content = "x".repeat(20_000);
        let message = ordered(&mut rig.rng, &content, rig.stream, number, None);
        rig.put(1, &[message]);
    }
    let mut sizes = Vec::new();
    let mut opened = rig.visit();
    while !opened.is_empty() {
        sizes.push(opened.len());
        rig.settle(1, &ids(&opened), MailStatus::Delivered);
        opened = rig.run();
    }
    assert_eq!(sizes, [2, 2, 2]);
}

/// A thousand messages that were written one by one are told in two receipts.
#[test]
fn receipts_that_say_the_same_go_together() {
    let mut rig = Rig::new(KeeperConfig::default(), &ReceiverConfig::default());
    let all: Vec<_> = (0..1_000).map(|_| MessageId::random(&mut rig.rng)).collect();
    rig.asked.clear();
    for id in &all {
        rig.settle(1, &[*id], MailStatus::Delivered);
    }
    rig.settle(1, &all[..3], MailStatus::Processed);
    rig.settle(3, &all[..2], MailStatus::Delivered);
    rig.now += 10_000;
    rig.run();
    let settles = rig.settles();
    assert_eq!(settles.len(), 1);
    assert_eq!(settles[0].receipts.len(), 4);
    let receipts = rig.collect(1);
    let told = |status| {
        let of = receipts.iter().filter(move |receipt| receipt.status == status);
        of.flat_map(|receipt| receipt.ids.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(MailStatus::Delivered), all);
    assert_eq!(told(MailStatus::Processed), all[..3]);
    assert_eq!(rig.collect(3)[0].ids, all[..2]);
    assert!(rig.disk.0.keys().all(|key| key[0] != b'o'), "nothing is owed any more");
}

/// A node has no room for more receipts for one sender: those stay owed, over a restart too, and are
/// offered at the next visit and no sooner; what is said to others goes on.
#[test]
fn what_a_node_did_not_keep_is_offered_again() {
    let keep = KeeperConfig { receipts: 2, ..KeeperConfig::default() };
    let mut rig = Rig::new(keep, &ReceiverConfig::default());
    let mut all = Vec::new();
    for _ in 0..2 {
        let id = MessageId::random(&mut rig.rng);
        all.push(id);
        rig.settle(1, &[id], MailStatus::Delivered);
        rig.now += 10_000;
        rig.run();
    }
    assert_eq!(rig.collect(1).len(), 2);
    rig.asked.clear();
    let late = MessageId::random(&mut rig.rng);
    rig.settle(1, &[late], MailStatus::Delivered);
    rig.settle(1, &[late], MailStatus::Processed);
    rig.settle(3, &[late], MailStatus::Delivered);
    rig.now += 10_000;
    for _ in 0..3 {
        rig.run();
        rig.now += 10_000;
    }
    let settles = rig.settles();
    let offered: Vec<_> = settles.iter().map(|settle| settle.receipts.len()).collect();
    assert_eq!(offered, [3, 1], "first all, then those for others");
    assert_eq!(rig.collect(3).len(), 1);
    let owed = |rig: &Rig| rig.disk.0.keys().filter(|key| key[0] == b'o').count();
    assert_eq!(owed(&rig), 2);

    // The sender has taken what was there.
    let sender = key_of(&identity("sender", 1));
    rig.ask(&sender, &Mailbox::Collect(Collect { done: Some(u64::MAX) }));
    let config = ReceiverConfig { nodes: vec![rig.node], prekeys: 2, ..ReceiverConfig::default() };
    let (own, suites) = (identity("receiver", 2), SuiteRegistry::default());
    rig.receiver = Receiver::new(config, own, suites, rig.disk.rows());
    rig.now += 60_000;
    rig.visit();
    let told: Vec<_> = rig.collect(1).iter().map(|receipt| receipt.status).collect();
    assert_eq!(told, [MailStatus::Delivered, MailStatus::Processed]);
    assert_eq!(owed(&rig), 0);
}

/// A node that says it kept nothing is not asked for ever, and one that says it kept more is believed as
/// far as there is something.
#[test]
fn a_node_that_counts_wrongly_does_no_harm() {
    let mut rig = Rig::new(KeeperConfig::default(), &ReceiverConfig::default());
    for seed in [1, 3, 4] {
        let id = MessageId::random(&mut rig.rng);
        rig.settle(seed, &[id], MailStatus::Delivered);
    }
    for (receipts, owed) in [(0, 3), (u64::MAX, 0)] {
        rig.now += 60_000;
        rig.receiver.hasten(&rig.node, at(rig.now));
        let mut asked = 0;
        loop {
            let outputs = rig.receiver.poll(at(rig.now), &mut rig.rng, |_| true);
            let Some(Output::Ask { node, request }) = outputs.into_iter().last() else { break };
            let answer = match *request {
                Mailbox::Settle(_) => {
                    asked += 1;
                    MailboxResult::Settled(Settled { items: 0, receipts })
                }
                other => rig.ask(&rig.own(), &other),
            };
            let (_, changes) = rig.receiver.on_answer(&node, &answer, at(rig.now));
            rig.disk.apply(changes);
        }
        assert!(asked <= 3, "{asked}");
        assert_eq!(rig.disk.0.keys().filter(|key| key[0] == b'o').count(), owed);
    }
}
