//! Items and receipts from strangers, and a mailbox node that is asked by them.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use peer_protocol::crypto::{PrekeyPair, Secret, SuiteRegistry};
use peer_protocol::delivery::Order;
use peer_protocol::id::{ItemId, PrekeyId, StreamId};
use peer_protocol::limits::{MAX_ITEM_LEN, MAX_RECEIPT_IDS};
use peer_protocol::mailbox::{
    Bodies, Change, Draft, Item, Keeper, KeeperConfig, MailReceipt, MailStatus, Prekey, Room, Row,
};
use peer_protocol::message::{
    Body, Collect, Deposit, Fetch, Heartbeat, Mailbox, MailboxResult, Message, MessageKind, Put,
    PutOutcome, Settle, Take,
};
use peer_protocol::time::Now;

use super::pair::START;
use super::seeds::rng;
use crate::people::identity;
use crate::simulation::Chance;

const DAY: Duration = Duration::from_secs(86_400);
/// Most requests in one run.
const MOST_REQUESTS: usize = 40;
/// Little enough to be full soon.
const CONFIG: KeeperConfig = KeeperConfig {
    owners: 2,
    box_life: Duration::from_secs(20 * 86_400),
    ttl: Duration::from_secs(14 * 86_400),
    total: Room { items: 6, bytes: 8_000 },
    owner: Room { items: 4, bytes: 4_000 },
    sender: Room { items: 3, bytes: 3_000 },
    prekeys: 5,
    taking: peer_protocol::rate_limit::Quota { per_minute: 10, burst: 20 },
    unused: 3,
    receipts: 2,
    owner_receipts: 3,
    total_receipts: 4,
};

/// The first byte says whether the rest is an item, a receipt, or a schedule of requests.
pub fn mailbox(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 3 {
        0 => item(rest),
        1 => receipt(rest),
        _ => keeper(rest),
    }
}

/// An item: what is accepted has one encoding, and only what was sealed opens.
fn item(data: &[u8]) {
    let Ok(item) = Item::decode(data.to_vec()) else { return };
    assert!(data.len() <= MAX_ITEM_LEN);
    assert_eq!(&item.as_bytes()[..], data);
    let suites = SuiteRegistry::default();
    let opened = item.open(identity(1).public_key(), &pair(), &suites, START.timestamp);
    if let Ok(letter) = opened {
        // Nobody else signs; a corpus may hold what was sealed.
        assert_eq!(letter.sender, *identity(0).public_key());
        assert!(!letter.messages.is_empty());
        assert_eq!(data, &sealed(1).as_bytes()[..]);
    }
}

/// A receipt: what is believed has one encoding, and its owner signed it.
fn receipt(data: &[u8]) {
    let Ok(receipt) = MailReceipt::verify(data) else { return };
    assert!((1..=MAX_RECEIPT_IDS).contains(&receipt.ids.len()));
    let owner = identity(1);
    assert_eq!(receipt.owner, *owner.public_key(), "nobody else signs");
    let word = (receipt.status, receipt.code);
    let again = MailReceipt::sign(&owner, &receipt.sender, &receipt.ids, word, receipt.at);
    assert_eq!(&again[..], data, "two encodings of one receipt");
}

/// What a mailbox node has on disk.
#[derive(Default)]
struct Disk(BTreeMap<Vec<u8>, Vec<u8>>);

impl Disk {
    fn apply(&mut self, changes: Vec<Change>) {
        for Change { key, value } in changes {
            match value {
                Some(value) => drop(self.0.insert(key, value.to_vec())),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    fn restore(&self, now: Now) -> Keeper {
        let rows = self.0.iter().filter(|(key, _)| !Change::is_body(key));
        Keeper::restore(CONFIG, now.timestamp, rows.map(|(key, value)| Row { key, value }))
    }
}

impl Bodies for Disk {
    fn read(&self, number: u64) -> Option<Vec<u8>> {
        self.0.get(&Change::body_key(number)).cloned()
    }
}

/// Requests of three entities: the node keeps to its quotas, answers what was asked, and after a restart
/// it is what it was.
fn keeper(data: &[u8]) {
    let mut chance = Chance::scripted(data);
    let (mut keeper, mut disk) = (Keeper::new(CONFIG, START.timestamp), Disk::default());
    let mut now = START;
    for _ in 0..MOST_REQUESTS {
        if chance.is_over() {
            break;
        }
        let from = *identity(chance.below(3)).public_key();
        let numbers: Vec<u64> =
            (0..3).flat_map(|who| keeper.numbers(identity(who).public_key()).into_keys()).collect();
        match chance.below(9) {
            0 => {
                now = now + DAY * chance.below(8) as u32;
                disk.apply(keeper.tick(now.timestamp));
            }
            1 => keeper = disk.restore(now),
            _ => {
                let request = request(&mut chance, &numbers);
                let may_register = !chance.happens(100);
                let decision = keeper.handle(&from, &request, may_register, now, &disk);
                check_answer(&request, &decision.answer);
                let refused = matches!(decision.answer, MailboxResult::Refused(_));
                assert!(!refused || decision.changes.is_empty(), "a refusal changes nothing");
                disk.apply(decision.changes);
                let body = Body::from(decision.answer);
                let bytes = body.encode().expect("an answer is within its limits");
                assert!(Body::decode(MessageKind::MailboxResult, &bytes).is_ok());
            }
        }
        let (owners, used) = keeper.usage();
        assert!(owners <= CONFIG.owners);
        assert!(used.items <= CONFIG.total.items && used.bytes <= CONFIG.total.bytes);
        assert_eq!(disk.restore(now).usage(), keeper.usage(), "the disk says something else");
    }
}

fn check_answer(request: &Mailbox, answer: &MailboxResult) {
    match (request, answer) {
        (_, MailboxResult::Refused(_))
        | (Mailbox::Collect(_), MailboxResult::Receipts(_))
        | (Mailbox::Fetch(_), MailboxResult::Page(_)) => {}
        (Mailbox::Deposit(_), MailboxResult::Deposited(deposited)) => {
            assert!(deposited.left <= CONFIG.prekeys as u64);
        }
        (Mailbox::Put(put), MailboxResult::Stored(stored)) => {
            assert_eq!(put.items.len(), stored.items.len());
            let kept = stored.items.iter().filter(|outcome| **outcome == PutOutcome::Stored);
            assert!(kept.count() <= CONFIG.sender.items);
        }
        (Mailbox::Take(take), MailboxResult::Prekeys(prekeys)) => {
            assert!(prekeys.keys.len() as u64 <= take.count);
            assert!(prekeys.keys.len() <= CONFIG.unused);
        }
        (Mailbox::Settle(settle), MailboxResult::Settled(settled)) => {
            assert!(settled.items <= settle.items.len() as u64);
            assert!(settled.receipts <= settle.receipts.len() as u64);
        }
        (request, answer) => panic!("{request:?} was answered with {answer:?}"),
    }
}

fn request(chance: &mut Chance, numbers: &[u64]) -> Mailbox {
    let owner = *identity(chance.below(3)).public_key().as_bytes();
    let number = numbers.get(chance.below(numbers.len() + 1)).copied();
    match chance.below(6) {
        0 => {
            let mut item = sealed(chance.below(3) as u8).as_bytes().to_vec();
            if chance.happens(200) {
                item.truncate(chance.below(item.len()));
            }
            let items = vec![item.into(); 1 + chance.below(3)];
            Mailbox::Put(Put { items, owner })
        }
        1 => Mailbox::Take(Take { count: chance.of([0, 1, 7, u64::MAX]), owner }),
        2 => Mailbox::Fetch(Fetch { after: number }),
        3 => {
            let receipts = (0..chance.below(3)).map(|_| receipt_of(chance).into()).collect();
            Mailbox::Settle(Settle { items: number.into_iter().chain([7]).collect(), receipts })
        }
        4 => Mailbox::Collect(Collect { done: number }),
        _ => {
            let keys = (0..chance.below(4)).map(|_| prekey(chance.below(3), chance)).collect();
            let last_resort = chance.flip().then(|| prekey(chance.below(3), chance));
            Mailbox::Deposit(Deposit { keys, reset: chance.flip(), last_resort })
        }
    }
}

fn receipt_of(chance: &mut Chance) -> Vec<u8> {
    let [owner, sender] = [0, 0].map(|_| identity(chance.below(3)));
    let ids = [peer_protocol::id::MessageId::random(&mut rng())];
    let word = (MailStatus::Delivered, None);
    let mut bytes =
        MailReceipt::sign(&owner, sender.public_key(), &ids, word, START.timestamp).to_vec();
    if chance.happens(200) {
        bytes.pop();
    }
    bytes
}

fn prekey(owner: usize, chance: &mut Chance) -> Prekey {
    static SIGNED: Mutex<BTreeMap<(usize, usize, u32), Prekey>> = Mutex::new(BTreeMap::new());
    let (number, days) = (chance.below(8), chance.of([0, 3, 14, 40]));
    let mut signed = SIGNED.lock().unwrap_or_else(PoisonError::into_inner);
    *signed.entry((owner, number, days)).or_insert_with(|| {
        let id = PrekeyId::from_random([number as u8; 16]);
        Prekey::sign(&identity(owner), id, *pair().public(), START.timestamp + DAY * days)
    })
}

fn pair() -> PrekeyPair {
    PrekeyPair::from_secret(&Secret::new([6; 32]))
}

/// An item of entity 0 for another one, or of entity 1 for it: always the same.
fn sealed(recipient: u8) -> &'static Item {
    static SEALED: [OnceLock<Item>; 3] = [const { OnceLock::new() }; 3];
    SEALED[usize::from(recipient)].get_or_init(|| seal(recipient))
}

fn seal(recipient: u8) -> Item {
    let author = identity(if recipient == 0 { 1 } else { 0 });
    let owner = identity(usize::from(recipient));
    let rng = &mut rng();
    let stream = StreamId::random(rng);
    let messages: Vec<Message> = (0..2)
        .map(|number| {
            let message = Message::new(rng, &Heartbeat {}.into(), None).expect("a valid body");
            let order = Some(Order { after: None, number, stream });
            Message { order, kind: MessageKind::Task, body: task_body(), ..message }
        })
        .collect();
    let expires = START.timestamp + DAY;
    let prekey = Prekey::sign(&owner, PrekeyId::from_random([1; 16]), *pair().public(), expires);
    let draft = Draft {
        id: ItemId::from_random([recipient; 16]),
        recipient: owner.public_key(),
        prekey: &prekey,
        expires,
        messages: &messages,
        spent: &[],
    };
    let suites = SuiteRegistry::default();
    let suite = suites.get(SuiteRegistry::CHACHA20_POLY1305).expect("it is built in");
    draft.seal(&author, suite, START.timestamp, rng).expect("within all limits")
}

fn task_body() -> bytes::Bytes {
    let task =
        peer_protocol::message::Task { content: (&b"hello"[..]).into(), ..Default::default() };
    Body::from(task).encode().expect("a valid body").into()
}

/// An item, receipts of both kinds, and schedules.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let behind = |first: u8, bytes: &[u8]| [&[first], bytes].concat();
    let (owner, sender) = (identity(1), identity(0));
    let ids = [peer_protocol::id::MessageId::random(&mut rng())];
    let words = [
        (MailStatus::Processed, None),
        (MailStatus::Refused, Some(peer_protocol::error::ErrorCode::InvalidState)),
    ];
    let receipts = words.map(|word| {
        behind(1, &MailReceipt::sign(&owner, sender.public_key(), &ids, word, START.timestamp))
    });
    let schedules = super::seeds::schedules(200).into_iter().map(|bytes| behind(2, &bytes));
    [behind(0, sealed(1).as_bytes())].into_iter().chain(receipts).chain(schedules).collect()
}
