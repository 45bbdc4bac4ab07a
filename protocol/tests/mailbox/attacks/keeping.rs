//! What a mailbox node keeps: how much of it, to the byte, and until when, to the millisecond
//! (`docs/PROTOCOL.md` §18.4).

use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{ItemId, MessageId};
use peer_protocol::limits::{
    MAX_CLOCK_SKEW, MAX_DEPOSIT, MAX_ITEM_TTL, MAX_MAIL_RECEIPTS, MAX_PUT_BYTES, MAX_PUT_ITEMS,
    MAX_TAKEN_PREKEYS,
};
use peer_protocol::mailbox::{KeeperConfig, MailReceipt, MailStatus, Prekey, Room};
use peer_protocol::message::{
    Collect, Deposit, Fetch, Mailbox, MailboxResult, Page, PutOutcome, Receipts, Settle, Settled,
};
use serde_bytes::ByteBuf;

use super::nodes::{DAY, Rig, stranger};
use crate::people::{at, identity, key_of};

const MILLI: Duration = Duration::from_millis(1);

impl Rig {
    /// What is left and what waits, as the answer to a deposit says; or why it was refused.
    fn deposits(&mut self, deposit: Deposit) -> Result<(u64, u64), ErrorCode> {
        let owner = key_of(&self.owner);
        match self.ask(&owner, &Mailbox::Deposit(deposit)) {
            MailboxResult::Deposited(deposited) => Ok((deposited.left, deposited.items)),
            MailboxResult::Refused(report) => Err(report.code),
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self, kind: u8) -> usize {
        self.disk.0.keys().filter(|key| key[0] == kind).count()
    }

    fn tick(&mut self) -> usize {
        let changes = self.keeper.tick(at(self.now).timestamp);
        let count = changes.len();
        self.disk.apply(changes);
        count
    }

    fn page(&mut self, after: Option<u64>) -> Page {
        let owner = key_of(&self.owner);
        match self.ask(&owner, &Mailbox::Fetch(Fetch { after })) {
            MailboxResult::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// The owner leaves receipts for a stranger; how many are kept.
    fn leave(&mut self, seed: u8, count: usize) -> u64 {
        let one = |_| {
            let ids = [MessageId::random(&mut self.rng)];
            let (what, now) = ((MailStatus::Delivered, None), at(self.now).timestamp);
            let receipt = MailReceipt::sign(&self.owner, &stranger(seed), &ids, what, now);
            ByteBuf::from(receipt.to_vec())
        };
        let receipts = (0..count).map(one).collect();
        self.settled(Settle { items: Vec::new(), receipts }).receipts
    }

    fn settled(&mut self, settle: Settle) -> Settled {
        let owner = key_of(&self.owner);
        match self.ask(&owner, &Mailbox::Settle(settle)) {
            MailboxResult::Settled(settled) => settled,
            other => panic!("{other:?}"),
        }
    }

    fn collect(&mut self, seed: u8, done: Option<u64>) -> Receipts {
        match self.ask(&stranger(seed), &Mailbox::Collect(Collect { done })) {
            MailboxResult::Receipts(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// How many receipts wait for each of these.
    fn waiting<const N: usize>(&mut self, seeds: [u8; N]) -> [usize; N] {
        seeds.map(|seed| self.collect(seed, None).receipts.len())
    }

    /// An item of so many bytes.
    fn of_len(&mut self, len: usize) -> ByteBuf {
        let overhead = self.fresh(len - 1_000).len() - (len - 1_000);
        let item = self.fresh(len - overhead);
        assert_eq!(item.len(), len);
        item
    }
}

fn deposit(keys: Vec<Prekey>, last_resort: Option<Prekey>, reset: bool) -> Deposit {
    Deposit { keys, reset, last_resort }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

#[test]
fn a_box_is_kept_for_sixty_days_after_its_owner_was_there() {
    type Visit = fn(&mut Rig);
    let visits: [Visit; 4] = [
        |_| {},
        |rig| drop(rig.page(None)),
        |rig| assert_eq!(rig.settled(Settle::default()).items, 0),
        |rig| assert!(rig.deposits(Deposit::default()).is_ok()),
    ];
    for (place, visit) in visits.into_iter().enumerate() {
        let mut rig = Rig::new(KeeperConfig::default());
        rig.deposit(1);
        rig.now = millis(10 * DAY);
        visit(&mut rig);
        // A clock that goes back makes nothing older.
        rig.now = 0;
        visit(&mut rig);
        let seen = if place == 0 { Duration::ZERO } else { 10 * DAY };
        rig.now = millis(seen + 60 * DAY - MILLI);
        rig.tick();
        assert_eq!((rig.keeper.usage().0, rig.rows(b'b')), (1, 1), "visit {place}");
        rig.now += 1;
        rig.tick();
        assert_eq!((rig.keeper.usage().0, rig.rows(b'b')), (0, 0), "visit {place}");
    }
    // After a restart it is as old as it was, and with it goes all that is in it.
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(2);
    rig.now = millis(60 * DAY - MILLI);
    rig.restart();
    let (sender, item) = (key_of(&rig.sender), rig.fresh(10));
    assert_eq!(rig.put(&sender, vec![item]), [PutOutcome::Stored]);
    rig.tick();
    rig.now += 1;
    assert_eq!(rig.tick(), 3, "the item, its bytes, and the box");
    assert_eq!((rig.keeper.usage(), rig.disk.0.len()), ((0, Room::default()), 1));
}

#[test]
fn an_item_is_kept_as_long_as_the_node_keeps_any_and_no_longer_than_it_says() {
    for (ttl, end) in [(DAY, DAY), (30 * DAY, 14 * DAY)] {
        let mut rig = Rig::new(KeeperConfig { ttl, ..KeeperConfig::default() });
        rig.deposit(1);
        let (sender, items) = (key_of(&rig.sender), vec![rig.fresh(10), rig.fresh(20)]);
        rig.put(&sender, items.clone());
        let bytes: usize = items.iter().map(|item| item.len()).sum();
        assert_eq!(rig.keeper.usage(), (1, Room { items: 2, bytes: bytes as u64 }));
        rig.restart();
        assert_eq!(rig.keeper.usage(), (1, Room { items: 2, bytes: bytes as u64 }));
        rig.now = millis(end - MILLI);
        assert_eq!(rig.tick(), 0);
        // It is shown a little longer than that, to a receiver whose clock is behind.
        rig.now = millis(end + MAX_CLOCK_SKEW - MILLI);
        assert_eq!(rig.fetch().len(), 2);
        rig.now += 1;
        assert_eq!(rig.fetch().len(), 0);
        rig.now = millis(end);
        assert_eq!((rig.tick(), rig.rows(b'i'), rig.rows(b'x')), (4, 0, 0));
        assert_eq!(rig.keeper.usage(), (1, Room::default()));
    }
}

#[test]
fn the_answer_to_a_deposit_says_what_is_left_and_what_waits() {
    let mut rig = Rig::new(KeeperConfig::default());
    let mut made = |_| {
        rig.now += 1;
        rig.prekeys(1)[0]
    };
    let keys: Vec<_> = (0..5).map(&mut made).collect();
    let (first, second) = keys.split_at(3);
    assert_eq!(rig.deposits(deposit(first.to_vec(), None, false)), Ok((3, 0)));
    let (sender, items) = (key_of(&rig.sender), vec![rig.fresh(10), rig.fresh(20)]);
    rig.put(&sender, items);
    assert_eq!(rig.deposits(deposit(second.to_vec(), None, false)), Ok((5, 2)));
    assert_eq!(rig.deposits(deposit(keys.clone(), None, false)), Ok((5, 2)), "no key twice");
    assert_eq!(rig.rows(b'p'), 5);
    rig.restart();
    assert_eq!(rig.deposits(deposit(Vec::new(), keys.last().copied(), false)), Ok((5, 2)));
    // The oldest first, after a restart too, and the last resort with all.
    let asker = stranger(9);
    let taken = rig.take(&asker, 2);
    assert_eq!((&taken.keys[..], taken.last_resort), (&keys[..2], keys.last().copied()));
    assert_eq!((rig.rows(b'p'), rig.rows(b'l')), (3, 1));
    assert_eq!(rig.deposits(deposit(second.to_vec(), None, true)), Ok((2, 2)), "anew");
    assert_eq!((rig.rows(b'p'), rig.rows(b'l')), (2, 0));
    assert_eq!(rig.take(&asker, 0).keys, []);
    let taken = rig.take(&asker, 9);
    assert_eq!((&taken.keys[..], taken.last_resort), (second, None));
}

#[test]
fn there_is_room_for_so_many_owners_and_prekeys() {
    let config = KeeperConfig { owners: 1, prekeys: MAX_DEPOSIT + 2, ..KeeperConfig::default() };
    let mut rig = Rig::new(config);
    let keys = rig.prekeys(MAX_DEPOSIT + 1);
    let all = deposit(keys.clone(), None, false);
    assert_eq!(rig.deposits(all), Err(ErrorCode::InvalidVersion));
    let most = deposit(keys[..MAX_DEPOSIT].to_vec(), None, false);
    assert_eq!(rig.deposits(most), Ok((MAX_DEPOSIT as u64, 0)));
    let more = rig.prekeys(3);
    let left = MAX_DEPOSIT as u64 + 2;
    assert_eq!(rig.deposits(deposit(more, None, false)), Ok((left, 0)));
    assert_eq!(rig.rows(b'p') as u64, left);
    let asker = stranger(9);
    assert_eq!(rig.take(&asker, u64::MAX).keys.len(), MAX_TAKEN_PREKEYS);
    assert_eq!(rig.take(&asker, u64::MAX).keys.len(), MAX_TAKEN_PREKEYS);
    assert_eq!(rig.take(&asker, u64::MAX).keys, [], "sixty-four that were not used");
    let owner = std::mem::replace(&mut rig.owner, identity("other", 7));
    assert_eq!(rig.deposits(Deposit::default()), Err(ErrorCode::RateLimited));
    rig.owner = owner;
    assert!(rig.deposits(Deposit::default()).is_ok(), "it has its place");
}

#[test]
fn prekeys_are_handed_out_until_their_life_is_over() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(2);
    let asker = stranger(9);
    rig.now = millis(20 * DAY - MILLI);
    let taken = rig.take(&asker, 1);
    assert_eq!((taken.keys.len(), taken.last_resort.is_some()), (1, true));
    rig.now += 1;
    let taken = rig.take(&asker, 1);
    assert_eq!((taken.keys.len(), taken.last_resort.is_some()), (0, false));
    assert_eq!((rig.rows(b'p'), rig.rows(b'l')), (0, 0));
}

/// A page holds 64 items and 1 MiB.
#[test]
fn a_page_is_full_with_so_many_items_and_with_so_many_bytes() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    let sender = key_of(&rig.sender);
    let items = (0..MAX_PUT_ITEMS).map(|_| rig.fresh(10)).collect();
    rig.put(&sender, items);
    let page = rig.page(None);
    assert_eq!((page.items.len(), page.more), (MAX_PUT_ITEMS, false));
    let item = rig.fresh(10);
    rig.put(&sender, vec![item]);
    let page = rig.page(None);
    assert_eq!((page.items.len(), page.more), (MAX_PUT_ITEMS, true));
    let page = rig.page(page.items.last().map(|item| item.number));
    assert_eq!((page.items.len(), page.more), (1, false));

    let len = MAX_PUT_BYTES / 16;
    for (last, whole) in [(len, true), (len + 1, false)] {
        let mut rig = Rig::new(KeeperConfig::default());
        rig.deposit(1);
        for len in [[len; 15].to_vec(), vec![last]].concat() {
            let item = rig.of_len(len);
            rig.put(&sender, vec![item]);
        }
        let page = rig.page(None);
        assert_eq!((page.items.len() == 16, page.more), (whole, !whole));
    }
}

#[test]
fn there_is_room_for_so_many_bytes_and_an_item_put_again_leaves_its_own() {
    for (bytes, outcome) in [(3_000, PutOutcome::Stored), (2_999, PutOutcome::Full)] {
        let room = Room { items: 2, bytes };
        for config in [
            KeeperConfig { sender: room, ..Default::default() },
            KeeperConfig { owner: room, ..Default::default() },
            KeeperConfig { total: room, ..Default::default() },
        ] {
            let mut rig = Rig::new(config);
            rig.deposit(1);
            let sender = key_of(&rig.sender);
            let items = [1_500, 1_500].map(|len| rig.of_len(len)).to_vec();
            assert_eq!(rig.put(&sender, items), [PutOutcome::Stored, outcome]);
        }
        let room = Room { items: 1, bytes };
        let mut rig = Rig::new(KeeperConfig { sender: room, ..Default::default() });
        rig.deposit(1);
        let (sender, id) = (key_of(&rig.sender), ItemId::random(&mut rig.rng));
        let overhead = rig.item(id, 2_000).len() - 2_000;
        let [first, second] = [1_400, 3_000].map(|len| rig.item(id, len - overhead));
        assert_eq!(rig.put(&sender, vec![first, second]), [PutOutcome::Stored, outcome]);
        assert_eq!(rig.keeper.usage().1.items, 1);
        let numbers = rig.fetch().into_iter().map(|(number, _)| number).collect();
        let settled = rig.settled(Settle { items: numbers, receipts: Vec::new() });
        assert_eq!((settled.items, rig.keeper.usage().1), (1, Room::default()));
    }
}

#[test]
fn receipts_are_kept_for_two_weeks_and_handed_out_in_pages() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(1);
    assert_eq!(rig.leave(100, MAX_MAIL_RECEIPTS), MAX_MAIL_RECEIPTS as u64);
    assert!(!rig.collect(100, None).more);
    rig.now = 1;
    assert_eq!(rig.leave(100, 1), 1);
    let page = rig.collect(100, None);
    assert_eq!((page.receipts.len(), page.more), (MAX_MAIL_RECEIPTS, true));
    let last = page.receipts.last().map(|one| one.number);
    let page = rig.collect(100, last);
    assert_eq!((page.receipts.len(), page.more), (1, false));
    assert_eq!(rig.rows(b'r'), 1);
    // Whoever puts something is told how many wait.
    rig.leave(100, 2);
    let (put, item) = (stranger(100), rig.fresh(10));
    let owner = *rig.owner.public_key().as_bytes();
    let put_one = Mailbox::Put(peer_protocol::message::Put { items: vec![item], owner });
    let told = |answer| match answer {
        MailboxResult::Stored(stored) => stored.waiting,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(rig.ask(&put, &put_one)), 3);
    assert_eq!(told(rig.ask(&stranger(101), &put_one)), 0);
    rig.restart();
    rig.now = millis(MAX_ITEM_TTL);
    rig.keeper.tick(at(rig.now).timestamp);
    assert_eq!(rig.waiting([100]), [3]);
    rig.now += 1;
    rig.tick();
    assert_eq!((rig.waiting([100]), rig.rows(b'r'), rig.rows(b'x')), ([0], 0, 0));
}

/// When the owner, or the node, has no more room, the oldest for the sender that this owner has left most
/// for gives way, if that is more than this sender has; what was collected makes room again.
#[test]
fn the_receipts_of_which_there_are_most_give_way() {
    let bounds = [
        KeeperConfig { owner_receipts: 4, ..KeeperConfig::default() },
        KeeperConfig { total_receipts: 4, ..KeeperConfig::default() },
    ];
    for config in bounds {
        let mut rig = Rig::new(config);
        rig.deposit(1);
        let all = [100, 101, 102, 103];
        assert_eq!((rig.leave(100, 3), rig.leave(101, 1)), (3, 1));
        let oldest = rig.collect(100, None).receipts[0].number;
        assert_eq!(rig.leave(102, 1), 1);
        assert_eq!(rig.waiting(all), [2, 1, 1, 0]);
        assert!(rig.collect(100, None).receipts.iter().all(|one| one.number > oldest));
        assert_eq!(rig.leave(101, 1), 0, "it would have as many");
        assert_eq!(rig.leave(100, 1), 0);
        assert_eq!(rig.leave(103, 1), 1);
        assert_eq!(rig.leave(104, 1), 0, "nobody has two");
        assert_eq!((rig.waiting(all), rig.rows(b'r')), ([1, 1, 1, 1], 4));
        for _ in 0..2 {
            rig.collect(100, Some(u64::MAX));
            rig.collect(101, Some(u64::MAX));
            assert_eq!(rig.leave(101, 2), 2, "what was collected makes room");
            assert_eq!(rig.leave(101, 1), 0);
            rig.restart();
        }
        assert_eq!(rig.waiting(all), [0, 2, 1, 1]);
    }
}

/// The number that comes next is on disk, and above all that are there if that is lost.
#[test]
fn numbers_are_above_all_that_are_there() {
    for receipt in [false, true] {
        let mut rig = Rig::new(KeeperConfig::default());
        rig.now = 1_000_000;
        rig.restart();
        rig.deposit(1);
        let sender = key_of(&rig.sender);
        let next = |rig: &mut Rig| {
            if receipt {
                assert_eq!(rig.leave(100, 1), 1);
                rig.collect(100, None).receipts.last().unwrap().number
            } else {
                let item = rig.fresh(10);
                rig.put(&sender, vec![item]);
                rig.fetch().last().unwrap().0
            }
        };
        let first = next(&mut rig);
        rig.disk.0.retain(|key, _| key[0] != b'n');
        rig.now = 0;
        rig.restart();
        assert_eq!(next(&mut rig), first + 1);
    }
}

/// A row that nobody can read is as good as none: the others are there all the same.
#[test]
fn rows_that_cannot_be_read_take_nothing_with_them() {
    let mut rig = Rig::new(KeeperConfig::default());
    rig.deposit(2);
    let (sender, item) = (key_of(&rig.sender), rig.fresh(10));
    rig.put(&sender, vec![item.clone()]);
    rig.leave(100, 1);
    let good = rig.disk.clone();
    for (key, value) in &good.0 {
        let (kind, mut cut) = (key[0], key.clone());
        cut.pop();
        rig.disk.0.insert(cut, value.clone());
        rig.disk.0.insert([&[kind][..], &[0xee; 48]].concat(), vec![0xff; 3]);
        rig.disk.0.insert(vec![kind, 1], Vec::new());
    }
    rig.disk.0.insert(vec![b'?', 1], Vec::new());
    rig.disk.0.insert(Vec::new(), Vec::new());
    rig.restart();
    let fetched: Vec<_> = rig.fetch().into_iter().map(|(_, item)| item).collect();
    assert_eq!((fetched, rig.waiting([100])), (vec![item], [1]));
    assert_eq!(rig.keeper.usage().0, 1);
    let owner: PublicKey = key_of(&rig.owner);
    assert_eq!(rig.keeper.numbers(&owner).into_values().collect::<Vec<_>>(), [sender]);
}
