//! A receiver (`docs/PROTOCOL.md` §18.6): it leaves prekeys with its mailbox nodes, fetches what waits
//! there, and settles it once its owner has taken it.
//!
//! The owner drives it: [`poll`](Receiver::poll) until there is nothing more, doing each output in turn;
//! hand in answers and failures; give each [`Opened`] item's messages to the same order as those that
//! come directly; and say what became of each. What is returned as changes goes into the same transaction
//! as the messages themselves.

mod config;
mod done;
mod open;
mod owed;
mod visit;

use std::collections::BTreeMap;

use rand_core::CryptoRng;

pub use config::ReceiverConfig;

use self::done::Done;
use self::open::{Bounds, Finished, OpenItems};
use self::owed::{Owed, OwedReceipt};
use self::visit::{Stage, Visit};
use super::change::{Change, Row, Tag};
use super::{Keyring, Letter, MailStatus, Prekey};
use crate::cbor;
use crate::crypto::{PublicKey, SuiteRegistry};
use crate::error::ErrorCode;
use crate::id::MessageId;
use crate::identity::Identity;
use crate::message::Mailbox;
use crate::time::{Now, Timestamp};

/// What a receiver wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To be on disk before anything that comes after it is done; if the disk fails, tried again until it
    /// is.
    Save(Vec<Change>),
    /// To be asked of a mailbox node. Its answer, or that there is none, is handed in.
    Ask {
        /// The node.
        node: PublicKey,
        /// What.
        request: Box<Mailbox>,
    },
}

/// An item that was fetched and opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The mailbox node that it came from.
    pub node: PublicKey,
    /// Its number there.
    pub number: u64,
    /// What it says.
    pub letter: Letter,
}

/// What taking messages changes here, from when it is decided until it is on disk.
#[derive(Debug)]
pub struct Settlement {
    /// To be written with the messages, all or none.
    pub changes: Vec<Change>,
    sender: PublicKey,
    at: Timestamp,
    finished: Vec<Finished>,
    owed: Vec<(u64, OwedReceipt)>,
}

/// What a receiver knows of its mailbox nodes.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    identity: Identity,
    suites: SuiteRegistry,
    keyring: Keyring,
    visits: BTreeMap<PublicKey, Visit>,
    open: OpenItems,
    owed: Owed,
    done: Done,
}

impl Receiver {
    /// A receiver with what it had written before.
    #[must_use]
    pub fn new<'a>(
        config: ReceiverConfig,
        identity: Identity,
        suites: SuiteRegistry,
        rows: impl IntoIterator<Item = Row<'a>>,
    ) -> Self {
        let visits = config.nodes.iter().map(|node| (*node, Visit::default())).collect();
        let (per_sender, items, bytes) = (config.open_per_sender, config.open, config.open_bytes);
        let open = OpenItems::new(Bounds { per_sender, items, bytes });
        let (mut keyring, mut done) = (Keyring::default(), Done::default());
        let mut owed = Owed::new(&config.nodes);
        for row in rows {
            keyring.restore(row);
            owed.restore(row);
            done.restore(row);
        }
        Self { config, identity, suites, keyring, visits, open, owed, done }
    }

    /// The last-resort prekey for the registry record, and what must be on disk before it is published.
    pub fn last_resort(
        &mut self,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Prekey, Vec<Change>) {
        self.keyring.last_resort(&self.identity, now, rng)
    }

    /// Messages of `sender` are being taken, or are known already, or are refused for good: it is owed a
    /// receipt that says so. What has to change for that belongs into the transaction that takes them.
    #[must_use = "nothing changes before it is handed back"]
    pub fn settle(
        &mut self,
        sender: &PublicKey,
        ids: &[MessageId],
        status: MailStatus,
        code: Option<ErrorCode>,
        now: Timestamp,
    ) -> Settlement {
        let mut settlement = self.release(sender, ids, now);
        settlement.owed = self.owed.make(sender, ids, (status, code), now);
        let rows = settlement.owed.iter().map(|(number, receipt)| receipt.row(*number));
        settlement.changes.extend(rows);
        settlement
    }

    /// Messages of `sender` whose items are done with, while no receipt is owed for them here: they came
    /// directly, or others behind them were taken, so that nothing true can be said of them.
    #[must_use = "nothing changes before it is handed back"]
    pub fn release(&mut self, sender: &PublicKey, ids: &[MessageId], now: Timestamp) -> Settlement {
        let finished = self.open.settle(sender, ids);
        let mut changes = Vec::new();
        for item in &finished {
            let spent = item.prekeys.iter();
            changes.extend(spent.filter_map(|id| self.keyring.deletion(&item.node, *id)));
            changes.push(Done::row(&item.node, item.number, now));
        }
        Settlement { sender: *sender, at: now, changes, finished, owed: Vec::new() }
    }

    /// The changes of a settlement are on disk: now the mailbox nodes are told. Returns what gives way to
    /// them, which may be deleted.
    pub fn committed(&mut self, settlement: Settlement) -> Vec<Change> {
        let mut changes = self.owed.insert(settlement.owed);
        for item in settlement.finished {
            item.prekeys.iter().for_each(|id| self.keyring.forget(&item.node, *id));
            changes.extend(self.done.add(&item.node, item.number, settlement.at));
            self.open.finish(&item.node, item.number);
            // There is room for what had to be left at its node.
            self.visits.values_mut().for_each(|visit| visit.freed = true);
        }
        changes
    }

    /// The changes of a settlement are not on disk, nor is what came with them: it is fetched again.
    pub fn not_committed(&mut self, settlement: &Settlement) {
        self.open.drop_sender(&settlement.sender);
    }

    /// Says that a message of `sender` waits for a predecessor, or for what is being written: its items
    /// stay at their mailbox nodes, and are handed over again at the next visit.
    pub fn held(&mut self, sender: &PublicKey, id: MessageId) {
        self.open.held(sender, id);
    }

    /// Looks for items at `node` at once.
    pub fn hasten(&mut self, node: &PublicKey, now: Now) {
        if let Some(visit) = self.visits.get_mut(node) {
            visit.hasten(now.instant);
        }
    }

    /// Whether anything waits to be told to `node`, or is asked of it.
    #[must_use]
    pub fn is_busy(&self, node: &PublicKey) -> bool {
        self.visits
            .get(node)
            .is_some_and(|visit| visit.stage != Stage::Idle || self.owed.waits(node, &visit.full))
            || self.done.waits(node)
    }

    /// Deletes what is over; every few minutes will do.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = self.keyring.tick(now);
        self.owed.expire(now, &mut changes);
        self.done.expire(now, &mut changes);
        changes
    }

    /// How many messages `node` is still to be told of; a message counts for each of its receipts.
    #[must_use]
    pub fn owed(&self, node: &PublicKey) -> usize {
        self.owed.count(node)
    }

    /// How many items are open: handed over, and not done with.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The private halves.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The mailbox nodes, how many prekeys each is known to have left, and how many items wait there.
    pub fn nodes(&self) -> impl Iterator<Item = (&PublicKey, Option<u64>, Option<u64>)> {
        self.visits.iter().map(|(node, visit)| (node, visit.left, visit.waiting))
    }
}

/// A row's value, if it is one of `tag`.
fn row_of<'a, T: serde::Deserialize<'a>>(row: Row<'a>, tag: Tag) -> Option<(&'a [u8], T)> {
    let (found, rest) = Tag::of(row.key)?;
    let value = (found == tag).then(|| cbor::decode(row.value).ok())??;
    Some((rest, value))
}
