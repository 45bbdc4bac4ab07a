//! A receiver (`docs/PROTOCOL.md` §18.6): it leaves prekeys with its mailbox nodes, fetches what waits
//! there, and settles it once its owner has taken it.
//!
//! The owner drives it: [`poll`](Receiver::poll) until there is nothing more, doing each output in turn;
//! hand in answers and failures; give each [`Opened`] item's messages to the same order as those that
//! come directly; and say what became of each. What is returned as changes goes into the same transaction
//! as the messages themselves.

mod config;
mod open;
mod owed;
mod visit;

use std::collections::BTreeMap;

use rand_core::CryptoRng;

pub use config::ReceiverConfig;

use self::open::{Finished, OpenItems};
use self::owed::{Done, Owed};
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
    /// To be on disk before anything that comes after it is done.
    Save(Vec<Change>),
    /// To be asked of a mailbox node. Its answer, or that there is none, is handed in.
    Ask {
        /// The node.
        node: PublicKey,
        /// What.
        request: Mailbox,
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
        let open = OpenItems::new(config.open_per_sender, config.open);
        let (mut keyring, mut owed, mut done) =
            (Keyring::default(), Owed::default(), Done::default());
        for row in rows {
            keyring.restore(row);
            owed.restore(row, &config.nodes);
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

    /// Says what became of messages of `sender`: what was taken, or known already, is settled, and its
    /// sender is owed a receipt. What is returned belongs into the transaction that takes them.
    pub fn settled(
        &mut self,
        sender: &PublicKey,
        ids: &[MessageId],
        status: MailStatus,
        code: Option<ErrorCode>,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = self.released(sender, ids, now);
        let nodes = self.visits.keys().copied();
        self.owed.add(sender, ids, (status, code), now, nodes, &mut changes);
        changes
    }

    /// Messages of `sender` whose items are done with, while no receipt is owed for them here: they came
    /// directly, or others behind them were taken, so that nothing true can be said of them.
    pub fn released(
        &mut self,
        sender: &PublicKey,
        ids: &[MessageId],
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for finished in self.open.settle(sender, ids) {
            self.finish(finished, now, &mut changes);
        }
        changes
    }

    fn finish(&mut self, item: Finished, now: Timestamp, changes: &mut Vec<Change>) {
        let Finished { node, number, prekey, spent } = item;
        let prekeys = spent.into_iter().chain([prekey]);
        changes.extend(prekeys.filter_map(|id| self.keyring.spend(&node, id)));
        changes.push(self.done.add(&node, number, now));
    }

    /// Says that messages of an item wait for a predecessor: the item stays at its mailbox node.
    pub fn held(&mut self, node: &PublicKey, number: u64) {
        self.open.held(node, number);
    }

    /// The owner could not keep what it was given: the items of `sender` are fetched again.
    pub fn dropped(&mut self, sender: &PublicKey) {
        self.open.drop_sender(sender);
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
        self.visits.get(node).is_some_and(|visit| visit.stage != Stage::Idle)
            || self.done.waits(node)
            || self.owed.waits(node)
    }

    /// Deletes what is over; every few minutes will do.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = self.keyring.tick(now);
        self.owed.expire(now, &mut changes);
        self.done.expire(now, &mut changes);
        changes
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
