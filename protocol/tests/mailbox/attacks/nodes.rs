//! What clients try at a mailbox node.

use std::collections::HashSet;
use std::time::Duration;

use peer_protocol::crypto::{PrekeyPair, PublicKey, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{ItemId, MessageId, PrekeyId, StreamId};
use peer_protocol::identity::Identity;
use peer_protocol::mailbox::{Draft, Keeper, KeeperConfig, MailReceipt, MailStatus, Prekey, Room};
use peer_protocol::message::{
    Collect, Deposit, Fetch, Mailbox, MailboxResult, Prekeys, Put, PutOutcome, Settle, Take,
};
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{Disk, at, identity, key_of, ordered, rng};

pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) struct Rig {
    pub(super) rng: StdRng,
    pub(super) keeper: Keeper,
    pub(super) disk: Disk,
    pub(super) config: KeeperConfig,
    pub(super) owner: Identity,
    pub(super) sender: Identity,
    pub(super) now: u64,
}

impl Rig {
    pub(super) fn new(config: KeeperConfig) -> Self {
        Self {
            rng: rng(1),
            keeper: Keeper::new(config, at(0).timestamp),
            disk: Disk::default(),
            config,
            owner: identity("owner", 1),
            sender: identity("sender", 2),
            now: 0,
        }
    }

    pub(super) fn ask(&mut self, from: &PublicKey, request: &Mailbox) -> MailboxResult {
        let decided = self.keeper.handle(from, request, true, at(self.now), &self.disk);
        self.disk.apply(decided.changes);
        decided.answer
    }

    pub(super) fn restart(&mut self) {
        self.keeper = Keeper::restore(self.config, at(self.now).timestamp, self.disk.rows());
    }

    pub(super) fn prekeys(&mut self, count: usize) -> Vec<Prekey> {
        let expires = at(self.now).timestamp + DAY * 20;
        let rng = &mut self.rng;
        let one = |_| {
            let pair = PrekeyPair::generate(rng);
            Prekey::sign(&self.owner, PrekeyId::random(rng), *pair.public(), expires)
        };
        (0..count).map(one).collect()
    }

    pub(super) fn deposit(&mut self, count: usize) -> Vec<Prekey> {
        let keys = self.prekeys(count);
        let last_resort = self.prekeys(1).pop();
        let deposit = Deposit { keys: keys.clone(), reset: false, last_resort };
        let owner = key_of(&self.owner);
        let answer = self.ask(&owner, &Mailbox::Deposit(deposit));
        assert!(matches!(answer, MailboxResult::Deposited(_)), "{answer:?}");
        keys
    }

    pub(super) fn item(&mut self, id: ItemId, len: usize) -> ByteBuf {
        let prekey = self.prekeys(1)[0];
        let stream = StreamId::random(&mut self.rng);
        let message = ordered(&mut self.rng, &"x".repeat(len), stream, 0, None);
        let recipient = key_of(&self.owner);
        let draft = Draft {
            id,
            recipient: &recipient,
            prekey: &prekey,
            expires: at(self.now).timestamp + DAY * 14,
            messages: &[message],
            spent: &[],
        };
        let suites = SuiteRegistry::default();
        let suite = suites.get("AES-256-GCM").unwrap();
        let now = at(self.now).timestamp;
        let item = draft.seal(&self.sender, suite, now, &mut self.rng).unwrap();
        ByteBuf::from(item.as_bytes().to_vec())
    }

    pub(super) fn fresh(&mut self, len: usize) -> ByteBuf {
        let id = ItemId::random(&mut self.rng);
        self.item(id, len)
    }

    pub(super) fn put(&mut self, from: &PublicKey, items: Vec<ByteBuf>) -> Vec<PutOutcome> {
        let owner = *self.owner.public_key().as_bytes();
        match self.ask(from, &Mailbox::Put(Put { items, owner })) {
            MailboxResult::Stored(stored) => stored.items,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn fetch(&mut self) -> Vec<(u64, ByteBuf)> {
        let owner = key_of(&self.owner);
        match self.ask(&owner, &Mailbox::Fetch(Fetch { after: None })) {
            MailboxResult::Page(page) => {
                page.items.into_iter().map(|item| (item.number, item.item)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn take(&mut self, asker: &PublicKey, count: u64) -> Prekeys {
        let owner = *self.owner.public_key().as_bytes();
        match self.ask(asker, &Mailbox::Take(Take { count, owner })) {
            MailboxResult::Prekeys(prekeys) => prekeys,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn stranger(seed: u8) -> PublicKey {
    key_of(&identity("stranger", seed))
}

#[test]
fn only_registered_owners_have_boxes_and_only_whom_the_node_serves_registers() {
    let mut rig = Rig::new(KeeperConfig::default());
    let item = rig.fresh(10);
    let owner = *rig.owner.public_key().as_bytes();
    let refused = |answer| match answer {
        MailboxResult::Refused(report) => report.code == ErrorCode::InvalidState,
        _ => false,
    };
    let put = Mailbox::Put(Put { items: vec![item], owner });
    assert!(refused(rig.ask(&stranger(9), &put)));
    assert!(refused(rig.ask(&stranger(9), &Mailbox::Take(Take { count: 1, owner }))));
    assert!(refused(rig.ask(&stranger(9), &Mailbox::Fetch(Fetch::default()))));
    assert!(refused(rig.ask(&stranger(9), &Mailbox::Settle(Settle::default()))));
    let deposit = Mailbox::Deposit(Deposit::default());
    let decided = rig.keeper.handle(&stranger(9), &deposit, false, at(0), &rig.disk);
    assert!(refused(decided.answer) && decided.changes.is_empty());
    assert!(rig.disk.0.is_empty());
    rig.deposit(1);
    assert!(!refused(rig.ask(&stranger(9), &put)));
}

#[test]
fn prekeys_that_the_owner_did_not_sign_are_not_taken_in() {
    let mut rig = Rig::new(KeeperConfig::default());
    let keys = rig.prekeys(2);
    let thief = stranger(9);
    let deposit = Deposit { keys, reset: false, last_resort: None };
    match rig.ask(&thief, &Mailbox::Deposit(deposit)) {
        MailboxResult::Refused(report) => assert_eq!(report.code, ErrorCode::InvalidSignature),
        other => panic!("{other:?}"),
    }
    assert!(rig.disk.0.is_empty());
}

#[test]
fn each_prekey_is_handed_out_once_across_restarts_too() {
    let mut rig = Rig::new(KeeperConfig::default());
    let left: HashSet<_> = rig.deposit(40).iter().map(|prekey| prekey.id).collect();
    let mut seen = HashSet::new();
    for asker in 10..30 {
        let taken = rig.take(&stranger(asker), 3);
        assert!(taken.last_resort.is_some());
        for prekey in taken.keys {
            assert!(left.contains(&prekey.id) && seen.insert(prekey.id));
        }
        rig.restart();
    }
    assert_eq!(seen.len(), 40);
    assert!(rig.take(&stranger(40), 3).keys.is_empty());
}

/// One asker gets only so many that it does not use, and only so many a minute; the rest is for others.
#[test]
fn an_asker_cannot_drain_the_prekeys() {
    let mut rig = Rig::new(KeeperConfig { unused: 8, ..KeeperConfig::default() });
    rig.deposit(100);
    let greedy = stranger(9);
    let taken: usize = (0..50).map(|_| rig.take(&greedy, 32).keys.len()).sum();
    assert_eq!(taken, 8);
    assert!(rig.take(&greedy, 32).last_resort.is_some(), "the last resort it always gets");
    assert_eq!(rig.take(&stranger(10), 5).keys.len(), 5);

    let config = KeeperConfig { unused: 1_000, ..KeeperConfig::default() };
    let mut rig = Rig::new(config);
    for _ in 0..4 {
        rig.deposit(100);
    }
    let taken: usize = (0..50).map(|_| rig.take(&greedy, 32).keys.len()).sum();
    assert_eq!(taken, config.taking.burst as usize);
}

#[test]
fn whoever_uses_prekeys_gets_more() {
    let mut rig = Rig::new(KeeperConfig { unused: 1, ..KeeperConfig::default() });
    rig.deposit(100);
    let sender = key_of(&rig.sender);
    let prekey = rig.take(&sender, 5).keys[0];
    assert!(rig.take(&sender, 5).keys.is_empty());
    let stream = StreamId::random(&mut rig.rng);
    let message = ordered(&mut rig.rng, "x", stream, 0, None);
    let recipient = key_of(&rig.owner);
    let draft = Draft {
        id: ItemId::random(&mut rig.rng),
        recipient: &recipient,
        prekey: &prekey,
        expires: at(0).timestamp + DAY,
        messages: &[message],
        spent: &[],
    };
    let suites = SuiteRegistry::default();
    let suite = suites.get("AES-256-GCM").unwrap();
    let item = draft.seal(&rig.sender, suite, at(0).timestamp, &mut rig.rng).unwrap();
    let item = ByteBuf::from(item.as_bytes().to_vec());
    assert_eq!(rig.put(&sender, vec![item]), [PutOutcome::Stored]);
    assert_eq!(rig.take(&sender, 5).keys.len(), 1);
}

#[test]
fn garbage_and_items_for_others_or_over_are_refused_before_they_are_kept() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    let sender = key_of(&rig.sender);
    let good = rig.fresh(10);
    let owner = std::mem::replace(&mut rig.owner, identity("other", 7));
    let foreign = rig.fresh(10);
    rig.owner = owner;
    let mut cut = good.clone();
    cut.truncate(good.len() - 1);
    let items = vec![ByteBuf::from(vec![0xff; 500]), cut, foreign, good.clone(), ByteBuf::new()];
    use PutOutcome::{Refused, Stored};
    assert_eq!(rig.put(&sender, items), [Refused, Refused, Refused, Stored, Refused]);
    rig.now = 14 * 86_400_000 + 1;
    assert_eq!(rig.put(&sender, vec![good]), [Refused]);
}

#[test]
fn quotas_hold_for_a_sender_an_owner_and_the_node() {
    let small = Room { items: 3, bytes: 1 << 20 };
    let rest = Room { items: 5, bytes: 1 << 20 };
    let mut rig = Rig::new(KeeperConfig { sender: small, owner: rest, ..Default::default() });
    rig.deposit(1);
    let stored = |rig: &mut Rig, from: &PublicKey| {
        let items = (0..4).map(|_| rig.fresh(10)).collect();
        let outcomes = rig.put(from, items);
        outcomes.iter().filter(|one| **one == PutOutcome::Stored).count()
    };
    assert_eq!(stored(&mut rig, &stranger(10)), 3);
    assert_eq!(stored(&mut rig, &stranger(11)), 2);
    assert_eq!(stored(&mut rig, &stranger(12)), 0);
    rig.restart();
    assert_eq!(stored(&mut rig, &stranger(12)), 0, "after a restart too");

    let bytes = Room { items: 100, bytes: 5_000 };
    for config in [
        KeeperConfig { sender: bytes, ..Default::default() },
        KeeperConfig { owner: bytes, ..Default::default() },
        KeeperConfig { total: bytes, ..Default::default() },
    ] {
        let mut rig = Rig::new(config);
        rig.deposit(1);
        let sender = key_of(&rig.sender);
        let items = (0..5).map(|_| rig.fresh(1_500)).collect();
        let outcomes = rig.put(&sender, items);
        assert_eq!(outcomes.iter().filter(|one| **one == PutOutcome::Stored).count(), 2);
        assert!(rig.keeper.usage().1.bytes <= 5_000);
    }
}

#[test]
fn the_same_item_put_again_takes_the_place_of_the_first() {
    let room = Room { items: 1, bytes: 1 << 20 };
    let mut rig = Rig::new(KeeperConfig { sender: room, ..Default::default() });
    rig.deposit(1);
    let sender = key_of(&rig.sender);
    let id = ItemId::random(&mut rig.rng);
    let (first, second) = (rig.item(id, 10), rig.item(id, 20));
    assert_eq!(rig.put(&sender, vec![first.clone()]), [PutOutcome::Stored]);
    assert_eq!(rig.put(&sender, vec![second.clone()]), [PutOutcome::Stored], "it needs no room");
    assert_eq!(rig.fetch().into_iter().map(|(_, item)| item).collect::<Vec<_>>(), [second]);
    // Another sender's item of that id is another item.
    assert_eq!(rig.put(&stranger(10), vec![first]), [PutOutcome::Stored]);
    assert_eq!(rig.fetch().len(), 2);
    assert_eq!(rig.disk.0.keys().filter(|key| key[0] == b'x').count(), 2);
}

#[test]
fn only_its_owner_fetches_and_deletes_and_to_say_it_twice_does_no_harm() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    let (owner, sender) = (key_of(&rig.owner), key_of(&rig.sender));
    let items: Vec<_> = (0..3).map(|_| rig.fresh(10)).collect();
    rig.put(&sender, items.clone());
    let fetched = rig.fetch();
    assert_eq!(fetched, rig.fetch(), "fetching changes nothing");
    assert!(fetched.iter().map(|(_, item)| item).eq(&items), "in the order of putting");
    let numbers: Vec<_> = fetched.iter().map(|(number, _)| *number).collect();
    let settle = Mailbox::Settle(Settle { items: numbers[..2].to_vec(), receipts: vec![] });
    // Another owner cannot delete them.
    let thief = Deposit::default();
    rig.ask(&stranger(9), &Mailbox::Deposit(thief));
    rig.ask(&stranger(9), &settle);
    assert_eq!(rig.fetch().len(), 3);
    rig.ask(&owner, &settle);
    rig.ask(&owner, &settle);
    assert_eq!(rig.fetch(), fetched[2..]);
    let after = Mailbox::Fetch(Fetch { after: Some(numbers[2]) });
    assert!(matches!(rig.ask(&owner, &after), MailboxResult::Page(page) if page.items.is_empty()));
    // A number is never used for another item, not even after a restart with an empty box.
    let all = Mailbox::Settle(Settle { items: numbers, receipts: vec![] });
    rig.ask(&owner, &all);
    rig.now += 1_000;
    rig.restart();
    let item = rig.fresh(10);
    rig.put(&sender, vec![item]);
    rig.ask(&owner, &all);
    assert_eq!(rig.fetch().len(), 1);
}

#[test]
fn pages_are_bounded_and_go_on_where_they_ended() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    let (owner, sender) = (key_of(&rig.owner), key_of(&rig.sender));
    for _ in 0..30 {
        let items = (0..5).map(|_| rig.fresh(20_000)).collect();
        rig.put(&sender, items);
    }
    let (mut after, mut seen, mut pages) = (None, 0, 0);
    loop {
        let MailboxResult::Page(page) = rig.ask(&owner, &Mailbox::Fetch(Fetch { after })) else {
            panic!()
        };
        let bytes: usize = page.items.iter().map(|item| item.item.len()).sum();
        assert!(page.items.len() <= 64 && bytes <= 1 << 20);
        seen += page.items.len();
        pages += 1;
        after = page.items.last().map(|item| item.number);
        if !page.more {
            break;
        }
    }
    assert_eq!((seen, pages), (150, 3));
}

#[test]
fn receipts_are_the_owners_word_and_wait_for_whom_they_name() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    let (owner, sender) = (key_of(&rig.owner), key_of(&rig.sender));
    let ids = [MessageId::random(&mut rig.rng)];
    let sign = |by: &Identity, for_whom: &PublicKey| {
        let what = (MailStatus::Delivered, None);
        let receipt = MailReceipt::sign(by, for_whom, &ids, what, at(0).timestamp);
        ByteBuf::from(receipt.to_vec())
    };
    let good = sign(&rig.owner, &sender);
    let receipts = vec![
        good.clone(),
        sign(&identity("liar", 8), &sender),
        ByteBuf::from(vec![1, 2, 3]),
        sign(&rig.owner, &stranger(12)),
    ];
    let settle = Mailbox::Settle(Settle { items: vec![], receipts });
    let answer = rig.ask(&owner, &settle);
    assert!(matches!(answer, MailboxResult::Settled(settled) if settled.receipts == 2));
    let collect = |rig: &mut Rig, done| match rig.ask(&sender, &Mailbox::Collect(Collect { done }))
    {
        MailboxResult::Receipts(page) => page.receipts,
        other => panic!("{other:?}"),
    };
    let page = collect(&mut rig, None);
    assert_eq!(page.iter().map(|one| &one.receipt).collect::<Vec<_>>(), [&good]);
    rig.restart();
    assert_eq!(collect(&mut rig, None), page, "until they are told to have arrived");
    assert!(collect(&mut rig, Some(page[0].number)).is_empty());
    rig.restart();
    assert!(collect(&mut rig, None).is_empty());
}

/// What an owner leaves for one sender fills its own place only, and the count says what was kept. Beyond
/// what the owner has in all, the sender that it has left most for loses its oldest.
#[test]
fn receipts_are_bounded_for_each_owner_and_sender() {
    let config = KeeperConfig { receipts: 5, owner_receipts: 12, ..Default::default() };
    let mut rig = Rig::new(config);
    rig.deposit(1);
    let owner = key_of(&rig.owner);
    let leave = |rig: &mut Rig, seed: u8, count: usize| {
        let one = |rig: &mut Rig| {
            let ids = [MessageId::random(&mut rig.rng)];
            let what = (MailStatus::Delivered, None);
            let now = at(0).timestamp;
            let receipt = MailReceipt::sign(&rig.owner, &stranger(seed), &ids, what, now);
            ByteBuf::from(receipt.to_vec())
        };
        let receipts = (0..count).map(|_| one(rig)).collect();
        match rig.ask(&owner, &Mailbox::Settle(Settle { items: vec![], receipts })) {
            MailboxResult::Settled(settled) => settled.receipts,
            other => panic!("{other:?}"),
        }
    };
    let waiting = |rig: &mut Rig, seed| {
        let collect = Mailbox::Collect(Collect { done: None });
        match rig.ask(&stranger(seed), &collect) {
            MailboxResult::Receipts(page) => page.receipts.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(leave(&mut rig, 100, 8), 5);
    assert_eq!(leave(&mut rig, 101, 5), 5);
    assert_eq!(leave(&mut rig, 102, 5), 4, "two that there was room for, and two from the others");
    assert_eq!([100, 101, 102].map(|seed| waiting(&mut rig, seed)).iter().sum::<usize>(), 12);
    assert_eq!(leave(&mut rig, 100, 1), 0, "nobody has more");
    rig.restart();
    assert_eq!(leave(&mut rig, 102, 1), 0, "after a restart too");
    assert_eq!(rig.disk.0.keys().filter(|key| key[0] == b'r').count(), 12);

    // What others leave takes no room of this owner's.
    rig.owner = identity("another", 7);
    rig.deposit(1);
    let other = key_of(&rig.owner);
    let ids = [MessageId::random(&mut rig.rng)];
    let what = (MailStatus::Delivered, None);
    let receipt = MailReceipt::sign(&rig.owner, &stranger(100), &ids, what, at(0).timestamp);
    let receipts = vec![ByteBuf::from(receipt.to_vec())];
    let answer = rig.ask(&other, &Mailbox::Settle(Settle { items: vec![], receipts }));
    assert!(matches!(answer, MailboxResult::Settled(settled) if settled.receipts == 1));
}

/// A number that was used once is never used again, whatever was deleted and whatever the clock says: an
/// owner that was told to delete it would delete another item unread.
#[test]
fn numbers_go_on_when_the_clock_goes_back() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.now = 1_000_000;
    rig.restart();
    rig.deposit(1);
    let (owner, sender) = (key_of(&rig.owner), key_of(&rig.sender));
    let mut last = 0;
    for _ in 0..3 {
        let item = rig.fresh(10);
        rig.put(&sender, vec![item]);
        let number = rig.fetch()[0].0;
        assert!(number > last, "{number} after {last}");
        last = number;
        rig.ask(&owner, &Mailbox::Settle(Settle { items: vec![number], receipts: vec![] }));
        rig.now -= 100_000;
        rig.restart();
    }
    let ids = [MessageId::random(&mut rig.rng)];
    let what = (MailStatus::Delivered, None);
    let receipt = MailReceipt::sign(&rig.owner, &sender, &ids, what, at(0).timestamp);
    let receipts = vec![ByteBuf::from(receipt.to_vec())];
    rig.ask(&owner, &Mailbox::Settle(Settle { items: vec![], receipts }));
    match rig.ask(&sender, &Mailbox::Collect(Collect { done: Some(last) })) {
        MailboxResult::Receipts(page) => assert_eq!(page.receipts.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_over_is_deleted_and_so_are_boxes_that_nobody_comes_to() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(5);
    let sender = key_of(&rig.sender);
    let item = rig.fresh(10);
    rig.put(&sender, vec![item]);
    rig.now = 13 * 86_400_000;
    let changes = rig.keeper.tick(at(rig.now).timestamp);
    rig.disk.apply(changes);
    assert_eq!(rig.fetch().len(), 1);
    rig.now = 21 * 86_400_000;
    let changes = rig.keeper.tick(at(rig.now).timestamp);
    rig.disk.apply(changes);
    assert!(rig.fetch().is_empty());
    assert_eq!(
        rig.disk.0.len(),
        2,
        "the box itself is left, and a number: {:?}",
        rig.disk.0.keys()
    );
    rig.now = 100 * 86_400_000;
    let changes = rig.keeper.tick(at(rig.now).timestamp);
    rig.disk.apply(changes);
    assert_eq!(rig.disk.0.len(), 1, "{:?}", rig.disk.0.keys());
    assert_eq!(rig.keeper.usage().0, 0);
}
