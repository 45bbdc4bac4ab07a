//! A mailbox node (`docs/PROTOCOL.md` §18.4): it keeps items for the owners of its boxes, hands out their
//! prekeys, and passes on their receipts.
//!
//! In memory is what is needed to decide; the bytes of items and receipts are on disk alone, and are read
//! through [`Bodies`]. An answer is told only when the changes that come with it are on disk.

mod config;
mod owner;
mod prekeys;
mod receipts;
mod row;

use std::collections::{BTreeMap, HashMap};

use hashlink::LruCache;
use serde_bytes::ByteBuf;

pub use config::{KeeperConfig, Room};

use self::owner::{Held, OwnerBox};
use self::receipts::{ReceiptShelf, Shelved};
use super::change::{Change, Row, Tag};
use super::seal::check_life;
use super::{Item, ItemError};
use crate::crypto::PublicKey;
use crate::error::ErrorCode;
use crate::id::PrekeyId;
use crate::limits::{MAX_CLOCK_SKEW, MAX_PUT_BYTES, MAX_PUT_ITEMS};
use crate::message::{
    ErrorReport, Fetch, Mailbox, MailboxResult, Page, PageItem, Put, PutOutcome, Settle, Settled,
    Stored,
};
use crate::rate_limit::KeyedLimiter;
use crate::time::{Now, Timestamp};

/// Most askers of which is remembered which prekeys they have.
const MAX_ASKERS: usize = 8_192;

/// Where the bytes of items and receipts are.
pub trait Bodies {
    /// The bytes of number `number`; `None` if they are lost.
    fn read(&self, number: u64) -> Option<Vec<u8>>;
}

/// What is to be answered, once `changes` are on disk.
#[derive(Debug)]
pub struct Decision {
    /// The answer.
    pub answer: MailboxResult,
    /// What it rests on.
    pub changes: Vec<Change>,
}

/// A mailbox node's state.
#[derive(Debug)]
pub struct Keeper {
    config: KeeperConfig,
    boxes: HashMap<PublicKey, OwnerBox>,
    used: Room,
    receipts: ReceiptShelf,
    /// Numbers are never used twice, so that what is said of one never means another. It is on disk with
    /// whatever got the last one, and begins with the clock, for a disk that was lost or is an old copy.
    next: u64,
    /// Prekeys that an asker has and did not use, by owner and asker.
    taken: LruCache<(PublicKey, PublicKey), Vec<PrekeyId>>,
    taking: KeyedLimiter<PublicKey>,
}

impl Keeper {
    /// A mailbox node that keeps nothing yet.
    #[must_use]
    pub fn new(config: KeeperConfig, now: Timestamp) -> Self {
        Self {
            config,
            boxes: HashMap::new(),
            used: Room::default(),
            receipts: ReceiptShelf::default(),
            next: now.as_millis(),
            taken: LruCache::new(MAX_ASKERS),
            taking: KeyedLimiter::new(config.taking, MAX_ASKERS),
        }
    }

    /// A mailbox node with what it kept before. Rows that it cannot read are left alone.
    #[must_use]
    pub fn restore<'a>(
        config: KeeperConfig,
        now: Timestamp,
        rows: impl IntoIterator<Item = Row<'a>>,
    ) -> Self {
        let mut keeper = Self::new(config, now);
        for row in rows {
            keeper.take_row(row);
        }
        keeper
    }

    /// Decides on a request of `from`. `may_register` says whether it may become an owner.
    pub fn handle(
        &mut self,
        from: &PublicKey,
        request: &Mailbox,
        may_register: bool,
        now: Now,
        bodies: &impl Bodies,
    ) -> Decision {
        let mut changes = Vec::new();
        let before = self.next;
        let answer = match request {
            Mailbox::Put(put) => self.put(from, put, now.timestamp, &mut changes),
            Mailbox::Take(take) => self.take(from, *take, now, &mut changes),
            Mailbox::Fetch(fetch) => self.fetch(from, *fetch, now.timestamp, bodies),
            Mailbox::Settle(settle) => self.settle(from, settle, now.timestamp, &mut changes),
            Mailbox::Collect(collect) => Ok(MailboxResult::Receipts(self.receipts.collect(
                from,
                *collect,
                bodies,
                &mut changes,
            ))),
            Mailbox::Deposit(deposit) => {
                self.deposit(from, deposit, may_register, now.timestamp, &mut changes)
            }
        };
        if self.next != before {
            row::write_next(self.next, &mut changes);
        }
        Decision { answer: answer.unwrap_or_else(MailboxResult::Refused), changes }
    }

    /// Deletes what is over. Cheap, but not free: every few minutes will do.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        let life = self.config.box_life;
        for (owner, kept) in &mut self.boxes {
            let gone = kept.seen + life <= now;
            for held in kept.remove_if(|held| gone || held.expires <= now) {
                self.used.subtract(held.len);
                delete_item(&held, &mut changes);
            }
            kept.drop_prekeys(owner, now, gone, &mut changes);
            if gone {
                changes.push(Change::delete(Tag::Box, &[owner.as_bytes()]));
            }
        }
        self.boxes.retain(|_, kept| kept.seen + life > now);
        self.receipts.expire(now, &mut changes);
        changes
    }

    /// How many owners there are, and what is kept for them.
    #[must_use]
    pub fn usage(&self) -> (usize, Room) {
        (self.boxes.len(), self.used)
    }

    fn put(
        &mut self,
        from: &PublicKey,
        put: &Put,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<MailboxResult, ErrorReport> {
        let owner = known_key(&put.owner)?;
        let mut kept = self.boxes.remove(&owner).ok_or_else(no_box)?;
        let mut outcome = |item: &ByteBuf| {
            let Ok(item) = self.acceptable(&owner, item, now) else { return PutOutcome::Refused };
            self.used_prekey(&owner, from, item.header().prekey);
            self.shelve(from, &item, &mut kept, now, changes)
        };
        let items = put.items.iter().map(&mut outcome).collect();
        self.boxes.insert(owner, kept);
        let waiting = self.receipts.waiting(from);
        Ok(MailboxResult::Stored(Stored { items, waiting }))
    }

    /// The item of these bytes, if it is one that may be kept for `owner`.
    fn acceptable(
        &self,
        owner: &PublicKey,
        bytes: &ByteBuf,
        now: Timestamp,
    ) -> Result<Item, ItemError> {
        let item = Item::decode(bytes.to_vec())?;
        if item.header().recipient != *owner {
            return Err(ItemError::Recipient);
        }
        check_life(now, item.header().expires)?;
        Ok(item)
    }

    /// Keeps an item, in place of the one that its sender put under the same id before.
    fn shelve(
        &mut self,
        from: &PublicKey,
        item: &Item,
        kept: &mut OwnerBox,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> PutOutcome {
        let header = item.header();
        let len = item.as_bytes().len() as u64;
        let older = kept.of_sender(from, header.id).cloned();
        let freed = older.as_ref().map(|held| held.len);
        let without = |mut used: Room| {
            if let Some(len) = freed {
                used.subtract(len);
            }
            used
        };
        let fits = without(self.used).fits(len, self.config.total)
            && without(kept.used).fits(len, self.config.owner)
            && without(kept.used_by(from)).fits(len, self.config.sender);
        if !fits {
            return PutOutcome::Full;
        }
        if let Some(held) = older.and_then(|held| kept.remove(held.number)) {
            self.used.subtract(held.len);
            delete_item(&held, changes);
        }
        let number = self.next;
        self.next += 1;
        let expires = header.expires.min(now + self.config.ttl);
        let held = Held { number, id: header.id, sender: *from, len, expires };
        row::write_item(&header.recipient, &held, item.as_bytes(), changes);
        self.used.add(len);
        kept.insert(held);
        PutOutcome::Stored
    }

    fn fetch(
        &mut self,
        from: &PublicKey,
        fetch: Fetch,
        now: Timestamp,
        bodies: &impl Bodies,
    ) -> Result<MailboxResult, ErrorReport> {
        let kept = self.boxes.get_mut(from).ok_or_else(no_box)?;
        kept.seen = kept.seen.max(now);
        let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
        for held in kept.after(fetch.after).filter(|held| held.expires + MAX_CLOCK_SKEW > now) {
            bytes += held.len;
            if items.len() == MAX_PUT_ITEMS || bytes > MAX_PUT_BYTES as u64 {
                more = true;
                break;
            }
            if let Some(item) = bodies.read(held.number) {
                items.push(PageItem { item: ByteBuf::from(item), number: held.number });
            }
        }
        Ok(MailboxResult::Page(Page { more, items }))
    }

    fn settle(
        &mut self,
        from: &PublicKey,
        settle: &Settle,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<MailboxResult, ErrorReport> {
        let kept = self.boxes.get_mut(from).ok_or_else(no_box)?;
        kept.seen = kept.seen.max(now);
        let mut items = 0;
        for number in &settle.items {
            if let Some(held) = kept.remove(*number) {
                self.used.subtract(held.len);
                delete_item(&held, changes);
                items += 1;
            }
        }
        let mut receipts = 0;
        for receipt in &settle.receipts {
            let number = self.next;
            match self.receipts.keep(from, receipt, number, now, &self.config, changes) {
                Shelved::Kept => {
                    self.next += 1;
                    receipts += 1;
                }
                // The count says which were kept.
                Shelved::Full => break,
                Shelved::NoReceipt => {}
            }
        }
        Ok(MailboxResult::Settled(Settled { items, receipts }))
    }

    /// Everything that is known of items, by owner and number, for tests and reports.
    #[must_use]
    pub fn numbers(&self, owner: &PublicKey) -> BTreeMap<u64, PublicKey> {
        let kept = self.boxes.get(owner);
        kept.into_iter()
            .flat_map(|kept| kept.after(None))
            .map(|held| (held.number, held.sender))
            .collect()
    }
}

fn delete_item(held: &Held, changes: &mut Vec<Change>) {
    let number = held.number.to_be_bytes();
    changes.push(Change::delete(Tag::Item, &[&number]));
    changes.push(Change::delete(Tag::Body, &[&number]));
}

fn known_key(bytes: &[u8; 32]) -> Result<PublicKey, ErrorReport> {
    PublicKey::from_bytes(bytes)
        .map_err(|error| ErrorReport::new(ErrorCode::InvalidVersion, error.to_string()))
}

fn no_box() -> ErrorReport {
    ErrorReport::new(ErrorCode::InvalidState, "this node is no mailbox of that entity")
}
