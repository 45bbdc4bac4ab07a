//! One mailbox node at a time: what it is asked next, and what its answers mean.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_core::CryptoRng;
use serde_bytes::ByteBuf;

use super::open::{Added, Fresh};
use super::owed::{Merged, OwedReceipt};
use super::{Opened, Output, Receiver};
use crate::crypto::PublicKey;
use crate::error::ErrorCode;
use crate::id::PrekeyId;
use crate::limits::{MAX_DEPOSIT, MAX_MAIL_RECEIPTS, MAX_OWN_PREKEYS, MAX_SETTLED_ITEMS};
use crate::mailbox::change::Change;
use crate::mailbox::{Item, ItemError, MailReceipt};
use crate::message::{Deposit, Fetch, Mailbox, MailboxResult, Page, Settle};
use crate::time::{Instant, Now};

/// How long what a node is to be told waits for more between two visits, so that it goes together.
const GATHER: Duration = Duration::from_secs(5);
/// For how long the next page is not read after one of which something was left behind: what was taken of
/// it makes room, and then that comes first.
const PAUSE: Duration = Duration::from_secs(2);

/// What is done at a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing until it is due.
    #[default]
    Idle,
    /// Prekeys are left.
    Depositing,
    /// Pages are fetched; the last one ended here.
    Fetching(Option<u64>),
}

/// What is known of a node, and what is under way with it.
#[derive(Debug, Default)]
pub(super) struct Visit {
    pub(super) stage: Stage,
    /// When the next visit begins.
    due: Instant,
    /// Whether an answer is awaited, and what was told in the request if it settles something.
    asked: Option<Told>,
    /// Nothing is asked before: the node did not answer, or refused.
    not_before: Instant,
    /// Whether the node has been asked for its state in this run.
    known: bool,
    /// When this round began, or the last one.
    began: Instant,
    /// Whether something was left behind in this round, and whether there has been room since.
    skipped: bool,
    pub(super) freed: bool,
    /// The next page is not fetched before, unless there is room.
    pause: Instant,
    /// Nothing is settled before, outside of rounds.
    settle_at: Instant,
    /// Of whose messages the node takes no more receipts in this round.
    pub(super) full: BTreeSet<[u8; 32]>,
    pub(super) left: Option<u64>,
    pub(super) waiting: Option<u64>,
}

#[derive(Debug, Default)]
struct Told {
    items: Vec<u64>,
    /// The sender of each receipt, and the rows that it says.
    receipts: Vec<([u8; 32], Vec<u64>)>,
    /// The one-time prekeys in it.
    prekeys: Vec<PrekeyId>,
}

impl Visit {
    pub(super) fn hasten(&mut self, now: Instant) {
        if self.stage == Stage::Idle {
            self.due = now;
        }
    }

    /// All pages are fetched, from the first one on.
    const fn begin(&mut self, now: Instant) {
        (self.began, self.pause) = (now, now);
        (self.skipped, self.freed) = (false, false);
    }

    /// Something had to be left at the node.
    fn leave_behind(&mut self, now: Instant) {
        (self.skipped, self.freed) = (true, false);
        self.pause = now + PAUSE;
    }

    /// Whether there is room now for what was left behind.
    const fn fetches_again(&self) -> bool {
        self.skipped && self.freed
    }
}

impl Receiver {
    /// What is to be done now at any of the nodes that `reachable` says yes to.
    pub fn poll(
        &mut self,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
        reachable: impl Fn(&PublicKey) -> bool,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let nodes: Vec<_> = self.visits.keys().copied().filter(reachable).collect();
        for node in nodes {
            if let Some((changes, request)) = self.next_request(&node, now, rng) {
                if !changes.is_empty() {
                    outputs.push(Output::Save(changes));
                }
                outputs.push(Output::Ask { node, request: Box::new(request) });
            }
        }
        outputs
    }

    /// When [`poll`](Self::poll) has something to do at the latest, if nothing happens until then.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let idle = self.visits.values().filter(|visit| visit.asked.is_none());
        idle.map(|visit| match visit.stage {
            Stage::Idle if visit.fetches_again() => visit.not_before,
            Stage::Idle => visit.due.max(visit.not_before),
            Stage::Fetching(_) if !visit.fetches_again() => visit.not_before.max(visit.pause),
            Stage::Depositing | Stage::Fetching(_) => visit.not_before,
        })
        .min()
    }

    fn next_request(
        &mut self,
        node: &PublicKey,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<(Vec<Change>, Mailbox)> {
        let target = self.config.prekeys;
        let visit = self.visits.get_mut(node)?;
        if visit.asked.is_some() || visit.not_before > now.instant {
            return None;
        }
        if visit.stage == Stage::Idle && (visit.due <= now.instant || visit.fetches_again()) {
            visit.stage = Stage::Depositing;
            visit.full.clear();
            visit.begin(now.instant);
        } else if visit.fetches_again() && matches!(visit.stage, Stage::Fetching(Some(_))) {
            // A box may hold far more than may be open: it is not read to its end each time.
            visit.stage = Stage::Fetching(None);
            visit.begin(now.instant);
        }
        let may_settle = visit.stage != Stage::Idle || visit.settle_at <= now.instant;
        let settles = may_settle && (self.done.waits(node) || self.owed.waits(node, &visit.full));
        if visit.stage == Stage::Depositing {
            visit.asked = Some(Told::default());
            // The first time in a run the node only says how many it has.
            let left = visit.left.filter(|_| visit.known);
            let left = left.map_or(target, |left| usize::try_from(left).unwrap_or(target));
            let own = self.keyring.left_with(node);
            // Whoever takes prekeys and does not use them must not fill this node's memory.
            let wanted = if left <= target / 2 { (target - left).min(MAX_DEPOSIT) } else { 0 };
            let count = wanted.min(MAX_OWN_PREKEYS.saturating_sub(own));
            // Without a private half whatever the node still hands out is of no use.
            let reset = own == 0;
            let (last_resort, mut changes) =
                self.keyring.last_resort(&self.identity, now.timestamp, rng);
            let (keys, made) =
                self.keyring.make_batch(&self.identity, node, count, now.timestamp, rng);
            changes.extend(made);
            if let Some(visit) = self.visits.get_mut(node) {
                let prekeys = keys.iter().map(|prekey| prekey.id).collect();
                visit.asked = Some(Told { prekeys, ..Told::default() });
            }
            let last_resort = Some(last_resort);
            return Some((changes, Mailbox::Deposit(Deposit { keys, reset, last_resort })));
        }
        if settles {
            return Some((Vec::new(), self.settle_request(node, now.instant)));
        }
        let visit = self.visits.get_mut(node)?;
        match visit.stage {
            Stage::Fetching(_) if visit.pause > now.instant => None,
            Stage::Fetching(after) => {
                visit.asked = Some(Told::default());
                Some((Vec::new(), Mailbox::Fetch(Fetch { after })))
            }
            Stage::Idle | Stage::Depositing => None,
        }
    }

    fn settle_request(&mut self, node: &PublicKey, now: Instant) -> Mailbox {
        let items = self.done.for_node(node, MAX_SETTLED_ITEMS);
        let nobody = BTreeSet::new();
        let full = self.visits.get(node).map_or(&nobody, |visit| &visit.full);
        let (mut told, mut receipts) = (Vec::new(), Vec::new());
        for Merged { receipt, numbers } in self.owed.for_node(node, full, MAX_MAIL_RECEIPTS) {
            let Ok(sender) = PublicKey::from_bytes(&receipt.sender) else { continue };
            told.push((receipt.sender, numbers));
            let OwedReceipt { at, ids, code, status, .. } = receipt;
            let signed = MailReceipt::sign(&self.identity, &sender, &ids, (status, code), at);
            receipts.push(ByteBuf::from(signed.to_vec()));
        }
        let gather = GATHER.min(self.config.every);
        if let Some(visit) = self.visits.get_mut(node) {
            visit.settle_at = now + gather;
            visit.asked = Some(Told { items: items.clone(), receipts: told, prekeys: Vec::new() });
        }
        Mailbox::Settle(Settle { items, receipts })
    }

    /// Takes the answer of a mailbox node: items to hand over, and what may be written about what it was
    /// told.
    pub fn on_answer(
        &mut self,
        node: &PublicKey,
        answer: &MailboxResult,
        now: Now,
    ) -> (Vec<Opened>, Vec<Change>) {
        let mut changes = Vec::new();
        let (every, again, target) = (self.config.every, self.config.again, self.config.prekeys);
        let Some(visit) = self.visits.get_mut(node) else { return Default::default() };
        let Some(told) = visit.asked.take() else { return Default::default() };
        match answer {
            MailboxResult::Deposited(deposited) if visit.stage == Stage::Depositing => {
                let first = !std::mem::replace(&mut visit.known, true);
                let fewer = visit.left.is_none_or(|before| deposited.left > before) || first;
                visit.left = Some(deposited.left);
                visit.waiting = Some(deposited.items);
                // As long as it takes more, it is given more.
                let left = usize::try_from(deposited.left).unwrap_or(usize::MAX);
                if !(fewer && left <= target / 2) {
                    visit.stage = Stage::Fetching(None);
                }
            }
            MailboxResult::Page(page) => {
                if let Stage::Fetching(after) = visit.stage {
                    let opened = self.take_page(node, after, page, now, &mut changes);
                    return (opened, changes);
                }
            }
            MailboxResult::Settled(settled) => {
                // It keeps them in their order, up to the first that it has no room for: the others of
                // that sender are offered at the next visit, and stay owed until then.
                let kept = usize::try_from(settled.receipts).unwrap_or(usize::MAX);
                visit.full.extend(told.receipts.get(kept).map(|(sender, _)| *sender));
                self.done.told(node, &told.items, &mut changes);
                for (_, numbers) in told.receipts.iter().take(kept) {
                    self.owed.told(node, numbers, &mut changes);
                }
            }
            MailboxResult::Refused(report) => {
                let wait = report.retry_after().unwrap_or(every).max(again);
                visit.not_before = now.instant + wait;
                visit.stage = Stage::Idle;
                visit.known = false;
                // Such as those that were made while the clock was far ahead.
                if report.code == ErrorCode::InvalidSignature {
                    changes.extend(self.keyring.not_left(node, &told.prekeys));
                }
            }
            MailboxResult::Deposited(_)
            | MailboxResult::Stored(_)
            | MailboxResult::Prekeys(_)
            | MailboxResult::Receipts(_) => {
                visit.not_before = now.instant + every;
                visit.stage = Stage::Idle;
            }
        }
        (Vec::new(), changes)
    }

    /// The request was not answered.
    pub fn on_failure(&mut self, node: &PublicKey, now: Now) {
        let again = self.config.again;
        if let Some(visit) = self.visits.get_mut(node)
            && visit.asked.take().is_some()
        {
            visit.not_before = now.instant + again;
            visit.stage = Stage::Idle;
            visit.due = visit.not_before;
        }
    }

    fn take_page(
        &mut self,
        node: &PublicKey,
        after: Option<u64>,
        page: &Page,
        now: Now,
        changes: &mut Vec<Change>,
    ) -> Vec<Opened> {
        let mut opened = Vec::new();
        let mut last = after;
        for item in &page.items {
            // Numbers rise; a node that says otherwise would have its pages read for ever.
            if last.is_some_and(|last| item.number <= last) {
                continue;
            }
            last = Some(item.number);
            let one = self.open_one(node, item.number, &item.item, now, changes);
            opened.extend(one);
        }
        let every = self.config.every;
        if let Some(visit) = self.visits.get_mut(node) {
            if page.more && last != after {
                visit.stage = Stage::Fetching(last);
            } else {
                visit.stage = Stage::Idle;
                visit.due = now.instant + every;
                // What was found is being written: that is told together.
                visit.settle_at = now.instant + GATHER.min(every);
                if !page.more {
                    self.open.end_round(node, visit.began, now.instant);
                }
            }
        }
        opened
    }

    /// Opens an item, if it is to be handed over now.
    fn open_one(
        &mut self,
        node: &PublicKey,
        number: u64,
        bytes: &ByteBuf,
        now: Now,
        changes: &mut Vec<Change>,
    ) -> Option<Opened> {
        let is_being_taken = self.open.is_being_taken(node, number, now.instant);
        if is_being_taken || self.done.contains(node, number) {
            return None;
        }
        let own = self.identity.public_key();
        let item = Item::decode(bytes.to_vec());
        let letter = item
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|item| self.keyring.open(node, item, own, &self.suites, now.timestamp));
        match (item, letter) {
            (Ok(item), Ok(letter)) => {
                let (prekey, len) = (item.header().prekey, bytes.len());
                let fresh = Fresh { node: *node, number, prekey, letter: &letter, len };
                let added = self.open.add(fresh, now.instant);
                let left = match added {
                    Added::Yes => None,
                    Added::InPlaceOf(other) => self.visits.get_mut(&other),
                    Added::No => self.visits.get_mut(node),
                };
                if let Some(visit) = left {
                    visit.leave_behind(now.instant);
                }
                (added != Added::No).then(|| Opened { node: *node, number, letter })
            }
            // Its sender's clock may be right and this one wrong. Nodes delete what has expired.
            (_, Err(ItemError::Future { .. } | ItemError::Expired { .. })) => None,
            // It will never open: the node need not keep it. That is found so again after a restart.
            (_, _) => {
                changes.extend(self.done.add(node, number, now.timestamp));
                None
            }
        }
    }
}
