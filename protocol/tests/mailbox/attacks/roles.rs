//! What mailbox nodes try with senders and receivers.

use std::time::Duration;

use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{ItemId, MessageId, StreamId};
use peer_protocol::mailbox::{
    Draft, Item, ItemError, Keyring, MailReceipt, MailStatus, Output, Prekey, Receiver,
    ReceiverConfig, Sender, SenderConfig, Unsettled, Waiting,
};
use peer_protocol::message::{
    Deposited, ErrorReport, Mailbox, MailboxResult, NumberedReceipt, Page, PageItem, Prekeys,
    PutOutcome, Receipts, Stored,
};
use peer_protocol::time::Now;
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, ordered, rng, task};

const DAY: Duration = Duration::from_secs(86_400);

fn sealed(prekey: &Prekey, after: Option<u64>, rng: &mut StdRng) -> Item {
    let recipient = key_of(&identity("receiver", 2));
    let stream = StreamId::random(rng);
    let message = ordered(rng, "hello", stream, 7, after);
    let draft = Draft {
        id: ItemId::random(rng),
        recipient: &recipient,
        prekey,
        expires: at(0).timestamp + DAY,
        messages: &[message],
        spent: &[],
    };
    let suites = SuiteRegistry::default();
    let suite = suites.get(SuiteRegistry::AES_256_GCM).unwrap();
    draft.seal(&identity("sender", 1), suite, at(0).timestamp, rng).unwrap()
}

#[test]
fn a_one_time_prekey_opens_only_what_comes_from_its_node() {
    let mut rng = rng(1);
    let (owner, mut ring) = (identity("receiver", 2), Keyring::default());
    let [node, other] = [10, 11].map(|seed| key_of(&identity("node", seed)));
    let now = at(0).timestamp;
    let (batch, _) = ring.make_batch(&owner, &node, 1, now, &mut rng);
    let item = sealed(&batch[0], None, &mut rng);
    let suites = SuiteRegistry::default();
    let open = |from| ring.open(from, &item, &key_of(&owner), &suites, now);
    assert_eq!(open(&other), Err(ItemError::WrongNode));
    assert!(open(&node).is_ok());
}

fn request(outputs: Vec<Output>) -> Option<Mailbox> {
    outputs.into_iter().find_map(|output| match output {
        Output::Ask { request, .. } => Some(*request),
        Output::Save(_) => None,
    })
}

/// A receiver whose only node has prekeys, about to fetch; and one of those prekeys.
fn fetching(now: Now, rng: &mut StdRng) -> (Receiver, Prekey) {
    let node = key_of(&identity("node", 10));
    let config = ReceiverConfig { nodes: vec![node], ..ReceiverConfig::default() };
    let suites = SuiteRegistry::default();
    let mut receiver = Receiver::new(config, identity("receiver", 2), suites, []);
    let mut prekey = None;
    for left in [0, 128] {
        if let Some(Mailbox::Deposit(deposit)) = request(receiver.poll(now, rng, |_| true)) {
            prekey = deposit.keys.first().copied().or(prekey);
        }
        let deposited = MailboxResult::Deposited(Deposited { left, items: 1 });
        receiver.on_answer(&node, &deposited, now);
    }
    (receiver, prekey.unwrap())
}

/// What a node refuses for its signature or life, such as prekeys that were made while the clock was ahead,
/// was left with nobody: their private halves do not stay, and do not keep new ones from being made.
#[test]
fn prekeys_that_a_node_refuses_do_not_stay() {
    let (mut rng, node) = (rng(1), key_of(&identity("node", 10)));
    let config = ReceiverConfig { nodes: vec![node], ..ReceiverConfig::default() };
    let suites = SuiteRegistry::default();
    let mut receiver = Receiver::new(config, identity("receiver", 2), suites, []);
    let mut disk = Disk::default();
    let mut made = 0;
    for visit in 0..200 {
        let now = at(visit * 60_000);
        for output in receiver.poll(now, &mut rng, |_| true) {
            let request = match output {
                Output::Save(changes) => {
                    disk.apply(changes);
                    continue;
                }
                Output::Ask { request, .. } => *request,
            };
            let Mailbox::Deposit(deposit) = request else { panic!("{request:?}") };
            made += deposit.keys.len();
            let answer = if deposit.keys.is_empty() {
                MailboxResult::Deposited(Deposited { left: 0, items: 0 })
            } else {
                let code = ErrorCode::InvalidSignature;
                MailboxResult::Refused(ErrorReport::new(code, "they live too long"))
            };
            disk.apply(receiver.on_answer(&node, &answer, now).1);
        }
    }
    assert!(made > 10_000, "{made}");
    assert_eq!(receiver.keyring().left_with(&node), 0);
    assert_eq!(disk.0.len(), 1, "the last-resort prekey is left");
}

#[test]
fn a_node_whose_pages_never_end_is_left_after_the_first_that_brings_nothing_new() {
    let (mut rng, now, node) = (rng(1), at(0), key_of(&identity("node", 10)));
    let (mut receiver, prekey) = fetching(now, &mut rng);
    let item = ByteBuf::from(sealed(&prekey, None, &mut rng).as_bytes().to_vec());
    let page = |number| {
        let items = vec![PageItem { item: item.clone(), number }];
        MailboxResult::Page(Page { more: true, items })
    };
    let mut fetched = 0;
    for _ in 0..50 {
        if let Some(Mailbox::Fetch(_)) = request(receiver.poll(now, &mut rng, |_| true)) {
            fetched += 1;
            receiver.on_answer(&node, &page(6 - fetched % 2), now);
        }
    }
    assert_eq!(fetched, 3, "5, then 6, and 5 again is nothing new");
}

#[test]
fn what_is_held_is_handed_over_again_and_what_is_being_taken_is_not() {
    let (mut rng, node) = (rng(1), key_of(&identity("node", 10)));
    let (mut receiver, prekey) = fetching(at(0), &mut rng);
    let item = ByteBuf::from(sealed(&prekey, Some(6), &mut rng).as_bytes().to_vec());
    let page = Page { more: false, items: vec![PageItem { item, number: 5 }] };
    let mut message = None;
    let mut visit = |receiver: &mut Receiver, now: Now| {
        receiver.hasten(&node, now);
        let mut handed = 0;
        while let Some(asked) = request(receiver.poll(now, &mut rng, |_| true)) {
            let answer = match asked {
                Mailbox::Fetch(_) => MailboxResult::Page(page.clone()),
                _ => MailboxResult::Deposited(Deposited { left: 128, items: 1 }),
            };
            let opened = receiver.on_answer(&node, &answer, now).0;
            handed += opened.len();
            message = opened.first().map(|one| one.letter.messages[0].id).or(message);
        }
        (handed, message)
    };
    assert_eq!(visit(&mut receiver, at(0)).0, 1);
    let (handed, message) = visit(&mut receiver, at(1));
    assert_eq!(handed, 0, "it is being taken");
    receiver.held(&key_of(&identity("sender", 1)), message.unwrap());
    assert_eq!(visit(&mut receiver, at(2)).0, 1);
    assert_eq!(visit(&mut receiver, at(3)).0, 0);
    assert_eq!(visit(&mut receiver, at(60_002)).0, 1, "nothing was heard of it for a minute");
}

/// A sender that has put two messages, each waiting a while, at one node.
fn put_two(rng: &mut StdRng) -> (Sender, Waiting, Mailbox) {
    let [node, peer] = [("node", 10), ("receiver", 2)].map(|(name, seed)| identity(name, seed));
    let suites = SuiteRegistry::default();
    let mut sender = Sender::new(SenderConfig::default(), identity("sender", 1), suites, []);
    let one = |number, rng: &mut StdRng| Unsettled {
        number,
        message: task(rng, "x"),
        expires: at(0).timestamp + DAY,
    };
    let messages = vec![one(0, rng), one(1, rng)];
    let waiting = Waiting { stream: StreamId::random(rng), messages };
    let now = at(0).timestamp;
    let (keys, _) = Keyring::default().make_batch(&peer, &key_of(&node), 4, now, rng);
    sender.put(&key_of(&peer), &[key_of(&node)], keys.last().copied(), &waiting);
    let took = request(sender.poll(at(0), rng, |_| true));
    assert!(matches!(took, Some(Mailbox::Take(_))));
    let prekeys = MailboxResult::Prekeys(Prekeys { keys, last_resort: None });
    sender.on_answer(&key_of(&node), &prekeys, at(0));
    let put = request(sender.poll(at(0), rng, |_| true)).unwrap();
    let items = vec![PutOutcome::Stored];
    let stored = MailboxResult::Stored(Stored { items, waiting: 0 });
    sender.on_answer(&key_of(&node), &stored, at(0));
    (sender, waiting, put)
}

#[test]
fn a_gap_has_what_follows_put_again_and_a_delivery_does_not() {
    let mut rng = rng(1);
    for (taken, again) in [(true, false), (false, true)] {
        let (mut sender, waiting, first) = put_two(&mut rng);
        let Mailbox::Put(first) = first else { panic!() };
        let peer = key_of(&identity("receiver", 2));
        sender.settled(&peer, &[waiting.messages[0].message.id], taken);
        let next = request(sender.poll(at(1), &mut rng, |_| true));
        let Some(Mailbox::Put(put)) = next else {
            assert!(!again, "{next:?}");
            continue;
        };
        assert!(again);
        let id = |put: &ByteBuf| Item::decode(put.to_vec()).unwrap().header().id;
        assert_eq!(id(&put.items[0]), id(&first.items[0]), "in the place of the former one");
    }
}

#[test]
fn receipts_for_others_say_nothing() {
    let mut rng = rng(1);
    let (mut sender, ..) = put_two(&mut rng);
    let (node, receiver) = (key_of(&identity("node", 10)), identity("receiver", 2));
    assert!(matches!(request(sender.poll(at(1), &mut rng, |_| true)), Some(Mailbox::Collect(_))));
    let ids = [MessageId::random(&mut rng)];
    let receipt = |for_whom: u8, number| {
        let for_whom = key_of(&identity("somebody", for_whom));
        let what = (MailStatus::Delivered, None);
        let bytes = MailReceipt::sign(&receiver, &for_whom, &ids, what, at(0).timestamp);
        NumberedReceipt { number, receipt: ByteBuf::from(bytes.to_vec()) }
    };
    let receipts = vec![receipt(9, 1), receipt(1, 2)];
    let page = MailboxResult::Receipts(Receipts { more: false, receipts });
    sender.on_answer(&node, &page, at(1));
    let told = sender.events().into_iter();
    let told =
        told.filter(|event| !matches!(event, peer_protocol::mailbox::Event::InMailbox { .. }));
    assert_eq!(told.count(), 1);
}
