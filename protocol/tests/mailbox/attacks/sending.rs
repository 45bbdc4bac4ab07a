//! A sender whose mailbox nodes are full, silent, or out of prekeys (`docs/PROTOCOL.md` §18.7).

use std::time::Duration;

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{PrekeyId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::limits::{
    MAX_BATCH, MAX_ITEM_LEN, MAX_ITEM_TTL, MAX_PUT_ITEMS, MAX_TAKEN_PREKEYS,
};
use peer_protocol::mailbox::{
    Event, Item, Keyring, MailReceipt, MailStatus, Output, Sender, SenderConfig, Unsettled, Waiting,
};
use peer_protocol::message::{
    Collect, ErrorReport, Mailbox, MailboxResult, NumberedReceipt, Prekeys, Put, PutOutcome,
    Receipts, Stored,
};
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, rng, task};

pub(super) const MINUTE: u64 = 60_000;
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A sender, what it has on disk, and the receiver that it writes to.
pub(super) struct Rig {
    pub(super) rng: StdRng,
    pub(super) sender: Sender,
    pub(super) disk: Disk,
    pub(super) receiver: Identity,
    pub(super) ring: Keyring,
    pub(super) nodes: Vec<PublicKey>,
    pub(super) waiting: Waiting,
    pub(super) now: u64,
}

impl Rig {
    pub(super) fn new(nodes: u8) -> Self {
        let mut rng = rng(1);
        let suites = SuiteRegistry::default();
        let waiting = Waiting { stream: StreamId::random(&mut rng), messages: Vec::new() };
        Self {
            rng,
            sender: Sender::new(SenderConfig::default(), identity("sender", 1), suites, []),
            disk: Disk::default(),
            receiver: identity("receiver", 2),
            ring: Keyring::default(),
            nodes: (0..nodes).map(|number| key_of(&identity("node", 10 + number))).collect(),
            waiting,
            now: 0,
        }
    }

    /// One more message waits, of that length and for that long.
    pub(super) fn write(&mut self, len: usize, life: Duration) {
        let number = self.waiting.messages.len() as u64;
        let message = task(&mut self.rng, &"x".repeat(len));
        let expires = at(self.now).timestamp + life;
        self.waiting.messages.push(Unsettled { number, message, expires });
    }

    /// What waits is to be put.
    pub(super) fn put(&mut self) {
        self.sender.put(&key_of(&self.receiver), &self.nodes, None, &self.waiting);
    }

    /// What is asked now. What has to be on disk before is.
    pub(super) fn asked(&mut self) -> Vec<(PublicKey, Mailbox)> {
        let mut asked = Vec::new();
        for output in self.sender.poll(at(self.now), &mut self.rng, |_| true) {
            match output {
                Output::Save(changes) => self.disk.apply(changes),
                Output::Ask { node, request } => asked.push((node, *request)),
            }
        }
        asked
    }

    /// The one thing asked now.
    pub(super) fn one_asked(&mut self) -> Option<Mailbox> {
        let mut asked = self.asked();
        assert!(asked.len() <= 1, "{asked:?}");
        asked.pop().map(|(_, request)| request)
    }

    pub(super) fn answer(&mut self, node: PublicKey, answer: &MailboxResult) {
        let changes = self.sender.on_answer(&node, answer, at(self.now));
        self.disk.apply(changes);
    }

    pub(super) fn prekeys(&mut self, node: PublicKey, count: usize) -> MailboxResult {
        let now = at(self.now).timestamp;
        let (keys, _) = self.ring.make_batch(&self.receiver, &node, count, now, &mut self.rng);
        MailboxResult::Prekeys(Prekeys { keys, last_resort: None })
    }

    /// Every node does all that it is asked, until nothing is: the items that were put at each time.
    pub(super) fn run(&mut self) -> Vec<Vec<Item>> {
        let mut puts = Vec::new();
        for _ in 0..1_000 {
            let asked = self.asked();
            if asked.is_empty() {
                return puts;
            }
            for (node, request) in asked {
                let answer = match request {
                    Mailbox::Take(take) => self.prekeys(node, take.count as usize),
                    Mailbox::Put(put) => {
                        puts.push(items(&put));
                        stored(put.items.iter().map(|_| PutOutcome::Stored))
                    }
                    Mailbox::Collect(_) => receipts(Vec::new()),
                    other => panic!("{other:?}"),
                };
                self.answer(node, &answer);
            }
        }
        panic!("it never comes to rest");
    }

    /// The numbers of the messages in an item.
    pub(super) fn numbers(&self, item: &Item) -> Vec<u64> {
        let (own, suites) = (key_of(&self.receiver), SuiteRegistry::default());
        let letter = self.ring.open(&self.nodes[0], item, &own, &suites, at(self.now).timestamp);
        letter.unwrap().messages.iter().map(|message| message.order.unwrap().number).collect()
    }

    pub(super) fn lying(&self) -> usize {
        self.sender.lying(&key_of(&self.receiver), &self.nodes[0])
    }

    /// Milliseconds until something is asked, looking every second; for two hours at most.
    pub(super) fn silence(&mut self) -> (u64, Option<Mailbox>) {
        let begun = self.now;
        for _ in 0..7_200 {
            if let Some(request) = self.one_asked() {
                return (self.now - begun, Some(request));
            }
            self.now += 1_000;
        }
        (self.now - begun, None)
    }

    /// The same for anything but receipts, of which there are none.
    pub(super) fn rest(&mut self) -> (u64, Option<Mailbox>) {
        let mut all = 0;
        loop {
            let (silence, request) = self.silence();
            all += silence;
            if !matches!(request, Some(Mailbox::Collect(_))) {
                return (all, request);
            }
            self.answer(self.nodes[0], &receipts(Vec::new()));
        }
    }
}

pub(super) fn items(put: &Put) -> Vec<Item> {
    put.items.iter().map(|item| Item::decode(item.to_vec()).unwrap()).collect()
}

pub(super) fn stored(outcomes: impl IntoIterator<Item = PutOutcome>) -> MailboxResult {
    MailboxResult::Stored(Stored { items: outcomes.into_iter().collect(), waiting: 0 })
}

pub(super) fn receipts(receipts: Vec<NumberedReceipt>) -> MailboxResult {
    MailboxResult::Receipts(Receipts { more: false, receipts })
}

fn lens(numbers: &[Vec<u64>]) -> Vec<usize> {
    numbers.iter().map(Vec::len).collect()
}

#[test]
fn messages_share_items_as_far_as_these_are_good_for() {
    let expected = |messages: &[(usize, Duration)], parts: &[usize]| {
        let mut rig = Rig::new(1);
        messages.iter().for_each(|(len, life)| rig.write(*len, *life));
        rig.put();
        let items: Vec<_> = rig.run().into_iter().flatten().collect();
        let numbers: Vec<_> = items.iter().map(|item| rig.numbers(item)).collect();
        assert_eq!(lens(&numbers), parts, "{messages:?}");
        let all: Vec<_> = numbers.into_iter().flatten().collect();
        assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>(), "in order");
        assert_eq!(rig.lying(), all.len());
    };
    // So many, and so many bytes.
    expected(&vec![(1, DAY); MAX_BATCH + 1], &[MAX_BATCH, 1]);
    expected(&[(30 << 10, DAY); 3], &[2, 1]);
    expected(&[(65 << 10, DAY), (65 << 10, DAY)], &[1, 1]);
    // An item has one end: only those share it that end at much the same time.
    let near = MAX_ITEM_TTL / 16;
    let apart = near + Duration::from_millis(1);
    expected(&[(1, DAY), (1, DAY + near)], &[2]);
    expected(&[(1, DAY + near), (1, DAY)], &[2]);
    expected(&[(1, DAY), (1, DAY + apart)], &[1, 1]);
    expected(&[(1, DAY + apart), (1, DAY)], &[1, 1]);
    expected(&[(1, DAY + near), (1, DAY), (1, DAY + near)], &[3]);
    expected(&[(1, DAY + near / 2), (1, DAY), (1, DAY + apart)], &[2, 1]);
    // What does not fit, and what is over, waits for its receiver, and with it what comes after.
    expected(&[(1, DAY), (MAX_ITEM_LEN - 2_000, DAY), (1, DAY)], &[1]);
    expected(&[(1, DAY), (1, Duration::ZERO), (1, DAY)], &[1]);
    expected(&[(MAX_ITEM_LEN - 2_600, DAY), (1, DAY)], &[1, 1]);
}

#[test]
fn an_item_ends_with_the_first_of_its_messages_and_in_two_weeks_at_the_latest() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    for (lives, end) in [([30, 25, 28], hours(25)), ([24 * 14, 24 * 30, 24 * 99], MAX_ITEM_TTL)] {
        let mut rig = Rig::new(1);
        lives.into_iter().for_each(|life| rig.write(1, hours(life)));
        rig.put();
        let items = rig.run().concat();
        assert_eq!((items.len(), items[0].header().expires), (1, at(0).timestamp + end));
    }
}

/// As many prekeys as there are items, of those it can get at once, and the last resort for the rest.
#[test]
fn each_item_has_a_prekey_of_its_own_while_there_are_some() {
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    for _ in 0..MAX_PUT_ITEMS + 2 {
        rig.write(20 << 10, DAY);
        rig.write(50 << 10, DAY);
    }
    rig.put();
    let take = |request| match request {
        Some(Mailbox::Take(take)) => take.count,
        other => panic!("{other:?}"),
    };
    assert_eq!(take(rig.one_asked()), MAX_TAKEN_PREKEYS as u64);
    let answer = rig.prekeys(node, 3);
    rig.answer(node, &answer);
    assert_eq!(take(rig.one_asked()), MAX_TAKEN_PREKEYS as u64, "there were some, so it asks on");
    let (last_resort, _) = {
        let now = at(rig.now).timestamp;
        rig.ring.last_resort(&rig.receiver, now, &mut rig.rng)
    };
    let none = Prekeys { keys: Vec::new(), last_resort: Some(last_resort) };
    rig.answer(node, &MailboxResult::Prekeys(none));
    let Some(Mailbox::Put(put)) = rig.one_asked() else { panic!() };
    let prekeys: Vec<PrekeyId> = items(&put).iter().map(|item| item.header().prekey).collect();
    assert!(
        prekeys.len() > 10 && put.items.iter().map(|item| item.len()).sum::<usize>() <= 1 << 20
    );
    let own = prekeys.iter().filter(|id| **id != last_resort.id);
    assert_eq!(own.collect::<std::collections::HashSet<_>>().len(), 3, "each of them once");
    rig.answer(node, &stored(put.items.iter().map(|_| PutOutcome::Stored)));
    // What was left behind follows, with prekeys if there are any by now.
    assert!(take(rig.one_asked()) > 0);
}

/// One that did not go with the last request is used for the next; the last resort is none of them.
#[test]
fn prekeys_that_were_left_over_are_used_before_others_are_asked_for() {
    for one_time in [0, 10] {
        let mut rig = Rig::new(1);
        let node = rig.nodes[0];
        (0..10).for_each(|_| rig.write(120 << 10, DAY));
        rig.put();
        rig.one_asked();
        let MailboxResult::Prekeys(mut keys) = rig.prekeys(node, one_time) else { panic!() };
        let now = at(rig.now).timestamp;
        let (last_resort, _) = rig.ring.last_resort(&rig.receiver, now, &mut rig.rng);
        keys.last_resort = Some(last_resort);
        rig.answer(node, &MailboxResult::Prekeys(keys));
        let Some(Mailbox::Put(put)) = rig.one_asked() else { panic!() };
        assert_eq!(put.items.len(), 8, "as many as a request holds");
        rig.answer(node, &stored(put.items.iter().map(|_| PutOutcome::Stored)));
        match rig.one_asked() {
            Some(Mailbox::Take(take)) => assert_eq!((one_time, take.count), (0, 2)),
            Some(Mailbox::Put(put)) => assert_eq!((one_time, put.items.len()), (10, 2)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn without_any_prekey_nothing_is_put_for_five_minutes() {
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    rig.write(1, DAY);
    rig.put();
    assert!(matches!(rig.one_asked(), Some(Mailbox::Take(_))));
    let none = Prekeys { keys: Vec::new(), last_resort: None };
    rig.answer(node, &MailboxResult::Prekeys(none));
    let (pause, request) = rig.rest();
    assert_eq!((pause, rig.lying()), (5 * MINUTE, 0));
    assert!(matches!(request, Some(Mailbox::Take(_))), "{request:?}");
}

/// A node that has no room, refuses or does not answer: 15 s, doubling to an hour, or as it says.
#[test]
fn a_node_that_does_not_take_anything_is_left_alone_for_longer_and_longer() {
    let refused = |wait: Option<u64>| {
        let report = ErrorReport::new(ErrorCode::RateLimited, "not now");
        MailboxResult::Refused(ErrorReport { retry_after_ms: wait, ..report })
    };
    let full = stored([PutOutcome::Full]);
    let no = stored([PutOutcome::Refused]);
    for answer in [None, Some(full), Some(no), Some(refused(None))] {
        let mut rig = Rig::new(1);
        let node = rig.nodes[0];
        rig.write(1, DAY);
        rig.put();
        let mut pauses = Vec::new();
        while pauses.len() < 10 {
            let request = match rig.one_asked() {
                Some(Mailbox::Take(_)) => {
                    let keys = rig.prekeys(node, 1);
                    rig.answer(node, &keys);
                    rig.one_asked()
                }
                request => request,
            };
            assert!(matches!(request, Some(Mailbox::Put(_))), "{request:?}");
            match &answer {
                Some(answer) => rig.answer(node, answer),
                None => rig.sender.on_failure(&node, at(rig.now)),
            }
            assert_eq!(rig.lying(), 0);
            let (pause, request) = rig.rest();
            pauses.push(pause);
            assert!(matches!(request, Some(Mailbox::Take(_))), "{request:?}");
            let keys = rig.prekeys(node, 1);
            rig.answer(node, &keys);
        }
        let seconds: Vec<_> = pauses.iter().map(|pause| pause / 1_000).collect();
        assert_eq!(seconds, [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600], "{answer:?}");
    }
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    rig.write(1, DAY);
    rig.put();
    rig.one_asked();
    rig.answer(node, &refused(Some(90_000)));
    assert_eq!(rig.rest().0, 90_000, "as it says");
}

#[test]
fn a_node_that_takes_something_again_begins_anew() {
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    rig.write(1, DAY);
    rig.put();
    for _ in 0..3 {
        assert!(matches!(rig.rest().1, Some(Mailbox::Take(_))));
        rig.sender.on_failure(&node, at(rig.now));
    }
    assert_eq!(rig.rest().0, 60_000);
    let keys = rig.prekeys(node, 1);
    rig.answer(node, &keys);
    assert!(matches!(rig.one_asked(), Some(Mailbox::Put(_))));
    rig.answer(node, &stored([PutOutcome::Stored]));
    assert_eq!(rig.lying(), 1);
    assert!(rig.run().is_empty());
    rig.write(1, DAY);
    rig.put();
    assert!(matches!(rig.one_asked(), Some(Mailbox::Take(_))));
    rig.sender.on_failure(&node, at(rig.now));
    assert_eq!(rig.rest().0, 15_000);
}

/// Of several items those lie there that the node says it stored; the others are put again.
#[test]
fn what_was_not_stored_is_put_again_and_nothing_else() {
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    (0..3).for_each(|_| rig.write(40 << 10, DAY));
    rig.put();
    rig.one_asked();
    let keys = rig.prekeys(node, 3);
    rig.answer(node, &keys);
    let Some(Mailbox::Put(put)) = rig.one_asked() else { panic!() };
    let first = items(&put);
    let outcomes = [PutOutcome::Stored, PutOutcome::Full, PutOutcome::Stored];
    rig.answer(node, &stored(outcomes));
    assert_eq!(rig.lying(), 2);
    let (nodes, ids) = in_mailbox(&mut rig).remove(0);
    let lie: Vec<_> = [0, 2].map(|at| rig.waiting.messages[at].message.id).into();
    assert_eq!((nodes, ids), (1, lie));
    rig.now += 15_000;
    let again: Vec<_> = rig.run().into_iter().flatten().collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header().id, first[1].header().id, "in the place of the one before");
    assert_ne!(again[0].header().prekey, first[1].header().prekey);
    assert_eq!(rig.lying(), 3);
}

/// At how many nodes messages are said to lie.
fn in_mailbox(rig: &mut Rig) -> Vec<(u8, Vec<peer_protocol::id::MessageId>)> {
    let told = rig.sender.events().into_iter();
    told.filter_map(|event| match event {
        Event::InMailbox { ids, nodes, .. } => Some((nodes, ids)),
        Event::Receipt { .. } => None,
    })
    .collect()
}

#[test]
fn it_is_told_at_how_many_nodes_a_message_lies() {
    let mut rig = Rig::new(3);
    rig.write(1, DAY);
    rig.put();
    assert!(!rig.sender.is_idle(), "it waits");
    rig.run();
    let counts: Vec<_> = in_mailbox(&mut rig).into_iter().map(|(nodes, _)| nodes).collect();
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(rig.sender.places().map(|(.., count)| count).collect::<Vec<_>>(), [1, 1, 1]);
    let ids = [rig.waiting.messages[0].message.id];
    let changes = rig.sender.settled(&key_of(&rig.receiver), &ids, true);
    assert_eq!(changes.len(), 3, "it lies nowhere any more");
    rig.disk.apply(changes);
    assert!(rig.sender.is_idle());
    assert!(rig.sender.settled(&key_of(&rig.receiver), &ids, true).is_empty(), "nothing changes");
}

#[test]
fn one_request_at_a_time_is_under_way_with_a_node() {
    let mut rig = Rig::new(2);
    let other = key_of(&identity("another", 3));
    rig.write(1, DAY);
    rig.put();
    rig.sender.put(&other, &rig.nodes.clone(), None, &rig.waiting.clone());
    let asked: Vec<_> = rig.asked().into_iter().map(|(node, _)| node).collect();
    let mut nodes = rig.nodes.clone();
    nodes.sort();
    assert_eq!(asked, nodes, "one of each");
    assert!(rig.asked().is_empty());
    rig.sender.on_failure(&nodes[0], at(0));
    let asked: Vec<_> = rig.asked().into_iter().map(|(node, _)| node).collect();
    assert_eq!(asked, nodes[..1], "for the other receiver");
    // What cannot be reached is not asked.
    rig.sender.on_failure(&nodes[0], at(0));
    rig.sender.on_failure(&nodes[1], at(0));
    rig.now += MINUTE;
    assert!(rig.sender.poll(at(rig.now), &mut rig.rng, |_| false).is_empty());
    assert_eq!(rig.asked().len(), 2);
}

#[test]
fn receipts_are_asked_for_while_something_lies_there() {
    let mut rig = Rig::new(1);
    let node = rig.nodes[0];
    rig.write(1, DAY);
    rig.put();
    rig.one_asked();
    let keys = rig.prekeys(node, 1);
    rig.answer(node, &keys);
    assert!(matches!(rig.one_asked(), Some(Mailbox::Put(_))), "nothing lies there yet");
    rig.answer(node, &stored([PutOutcome::Stored]));
    let collect = |done| Some(Mailbox::Collect(Collect { done }));
    assert_eq!(rig.one_asked(), collect(None));
    assert_eq!(rig.one_asked(), None, "it is under way");
    rig.answer(node, &receipts(Vec::new()));
    assert_eq!(rig.silence(), (MINUTE, collect(None)));
    rig.sender.on_failure(&node, at(rig.now));
    assert_eq!(rig.silence(), (15_000, collect(None)));
    // What was read is told at once, whoever it was for.
    let sign = |owner: &Identity, number| {
        let ids = [rig.waiting.messages[0].message.id];
        let what = (MailStatus::Delivered, None);
        let to = key_of(&identity("sender", 1));
        let receipt = MailReceipt::sign(owner, &to, &ids, what, at(0).timestamp);
        NumberedReceipt { number, receipt: ByteBuf::from(receipt.to_vec()) }
    };
    let junk = NumberedReceipt { number: 9, receipt: ByteBuf::from(vec![0; 20]) };
    let page = receipts(vec![sign(&rig.receiver, 7), junk]);
    rig.answer(node, &page);
    let told: Vec<_> = rig.sender.events().into_iter().collect();
    assert!(matches!(told.last(), Some(Event::Receipt { status: MailStatus::Delivered, .. })));
    assert_eq!(rig.one_asked(), collect(Some(9)));
    // A page that nobody asked for says nothing.
    rig.answer(node, &receipts(Vec::new()));
    rig.answer(node, &page);
    assert!(rig.sender.events().is_empty());
    // The same again is nothing new.
    assert_eq!(rig.silence(), (MINUTE, collect(Some(9))));
    rig.answer(node, &page);
    assert_eq!(rig.silence(), (MINUTE, collect(Some(9))));
    rig.answer(node, &receipts(Vec::new()));
    rig.sender.hasten(at(rig.now));
    assert_eq!(rig.one_asked(), collect(Some(9)));
    rig.answer(node, &receipts(Vec::new()));
    // So it is when the node says that some wait.
    rig.write(1, DAY);
    rig.put();
    rig.one_asked();
    let keys = rig.prekeys(node, 1);
    rig.answer(node, &keys);
    assert!(matches!(rig.one_asked(), Some(Mailbox::Put(_))));
    let told = Stored { items: vec![PutOutcome::Stored], waiting: 1 };
    rig.answer(node, &MailboxResult::Stored(told));
    assert_eq!(rig.one_asked(), collect(Some(9)));
    rig.answer(node, &receipts(Vec::new()));
    // Once nothing lies there, nobody asks.
    let ids: Vec<_> = rig.waiting.messages.iter().map(|one| one.message.id).collect();
    rig.sender.settled(&key_of(&rig.receiver), &ids, true);
    assert_eq!(rig.silence().1, None);
}

#[test]
fn after_a_restart_it_is_known_what_lies_where() {
    let mut rig = Rig::new(2);
    rig.write(1, DAY);
    rig.put();
    rig.run();
    let suites = SuiteRegistry::default();
    let own = identity("sender", 1);
    rig.sender = Sender::new(SenderConfig::default(), own, suites, rig.disk.rows());
    assert_eq!(rig.lying(), 1);
    assert!(!rig.sender.is_idle());
    assert!(matches!(rig.asked()[..], [(_, Mailbox::Collect(_)), (_, Mailbox::Collect(_))]));
    for node in rig.nodes.clone() {
        rig.answer(node, &receipts(Vec::new()));
    }
    rig.put();
    assert!(rig.run().is_empty(), "it lies there");
    assert!(rig.sender.tick(at(rig.now).timestamp).is_empty());
    rig.sender.hold(&key_of(&rig.receiver));
    // Its time is over: it lies nowhere.
    rig.now = 24 * 60 * MINUTE;
    rig.disk.apply(rig.sender.tick(at(rig.now).timestamp));
    assert!(rig.disk.0.is_empty() && rig.sender.is_idle());
    assert_eq!(rig.sender.places().count(), 0);
    assert_eq!(rig.silence().1, None);
}

#[test]
fn what_was_put_is_put_again_when_its_time_at_the_node_is_over() {
    let mut rig = Rig::new(1);
    rig.write(1, 30 * DAY);
    rig.put();
    let first = rig.run().remove(0).remove(0);
    assert_eq!(first.header().expires, at(0).timestamp + MAX_ITEM_TTL);
    rig.now = MAX_ITEM_TTL.as_millis() as u64 - 1;
    assert!(rig.run().is_empty());
    rig.now += 1;
    let again = rig.run().remove(0).remove(0);
    assert_eq!(again.header().id, first.header().id);
    assert_eq!(again.header().expires, at(rig.now).timestamp + MAX_ITEM_TTL);
    rig.now = 30 * DAY.as_millis() as u64;
    assert!(rig.run().is_empty(), "nobody needs it any more");
    assert_eq!(rig.lying(), 0);
}

#[test]
fn nothing_is_put_while_the_receiver_can_be_reached() {
    let mut rig = Rig::new(1);
    (0..2).for_each(|_| rig.write(40 << 10, DAY));
    rig.put();
    let first = rig.run().concat();
    rig.sender.hold(&key_of(&rig.receiver));
    rig.write(1, DAY);
    assert!(rig.run().is_empty());
    assert!(!rig.sender.is_idle(), "something lies there");
    // The first one was settled meanwhile: nothing said whether the receiver has it, so what names it as
    // its predecessor is put again. The third one is new.
    rig.waiting.messages.remove(0);
    rig.put();
    let again = rig.run().concat();
    let numbers: Vec<_> = again.iter().map(|item| rig.numbers(item)).collect();
    assert_eq!(numbers, [vec![1], vec![2]]);
    assert_eq!(again[0].header().id, first[1].header().id);
    assert_eq!(rig.lying(), 2);
    // Another stream begins anew: what lies there belongs to the one before.
    rig.waiting.stream = StreamId::random(&mut rig.rng);
    rig.put();
    assert_eq!(rig.lying(), 0);
    assert_eq!(rig.run().concat().len(), 1);
}
