//! One mailbox node at a time: what it is asked next, and what its answers mean.

use rand_core::CryptoRng;
use serde_bytes::ByteBuf;

use super::{Opened, Output, Receiver};
use crate::crypto::PublicKey;
use crate::limits::{MAX_DEPOSIT, MAX_MAIL_RECEIPTS, MAX_OWN_PREKEYS, MAX_SETTLED_ITEMS};
use crate::mailbox::change::Change;
use crate::mailbox::{Item, ItemError, MailReceipt};
use crate::message::{Deposit, Fetch, Mailbox, MailboxResult, Page, Settle};
use crate::time::{Instant, Now};

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
    /// Whether something was left behind in this round, and whether something was settled.
    skipped: bool,
    progress: bool,
    pub(super) left: Option<u64>,
    pub(super) waiting: Option<u64>,
}

#[derive(Debug, Default)]
struct Told {
    items: Vec<u64>,
    receipts: Vec<u64>,
}

impl Visit {
    pub(super) fn hasten(&mut self, now: Instant) {
        if self.stage == Stage::Idle {
            self.due = now;
        }
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
            Stage::Idle => visit.due.max(visit.not_before),
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
        let settles = self.done.waits(node) || self.owed.waits(node);
        let visit = self.visits.get_mut(node)?;
        if visit.asked.is_some() || visit.not_before > now.instant {
            return None;
        }
        if visit.stage == Stage::Idle && visit.due <= now.instant {
            visit.stage = Stage::Depositing;
            (visit.skipped, visit.progress) = (false, false);
        }
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
            let last_resort = Some(last_resort);
            return Some((changes, Mailbox::Deposit(Deposit { keys, reset, last_resort })));
        }
        if settles {
            return Some((Vec::new(), self.settle_request(node)));
        }
        let visit = self.visits.get_mut(node)?;
        match visit.stage {
            Stage::Fetching(after) => {
                visit.asked = Some(Told::default());
                Some((Vec::new(), Mailbox::Fetch(Fetch { after })))
            }
            Stage::Idle | Stage::Depositing => None,
        }
    }

    fn settle_request(&mut self, node: &PublicKey) -> Mailbox {
        let items = self.done.for_node(node, MAX_SETTLED_ITEMS);
        let (mut numbers, mut receipts) = (Vec::new(), Vec::new());
        for (number, owed) in self.owed.for_node(node, MAX_MAIL_RECEIPTS) {
            numbers.push(number);
            let Ok(sender) = PublicKey::from_bytes(&owed.sender) else { continue };
            let what = (owed.status, owed.code);
            let receipt = MailReceipt::sign(&self.identity, &sender, &owed.ids, what, owed.at);
            receipts.push(ByteBuf::from(receipt.to_vec()));
        }
        if let Some(visit) = self.visits.get_mut(node) {
            visit.asked = Some(Told { items: items.clone(), receipts: numbers });
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
                    return (self.take_page(node, after, page, now), changes);
                }
            }
            MailboxResult::Settled(_) => {
                visit.progress = true;
                self.done.told(node, &told.items, &mut changes);
                self.owed.told(node, &told.receipts, &mut changes);
            }
            MailboxResult::Refused(report) => {
                let wait = report.retry_after().unwrap_or(every).max(again);
                visit.not_before = now.instant + wait;
                visit.stage = Stage::Idle;
                visit.known = false;
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
    ) -> Vec<Opened> {
        let mut opened = Vec::new();
        let (mut last, mut skipped) = (after, false);
        for item in &page.items {
            // Numbers rise; a node that says otherwise would have its pages read for ever.
            if last.is_some_and(|last| item.number <= last) {
                continue;
            }
            last = Some(item.number);
            match self.open_one(node, item.number, &item.item, now) {
                One::Opened(one) => opened.push(*one),
                One::Later => skipped = true,
                One::Known => {}
            }
        }
        let every = self.config.every;
        if let Some(visit) = self.visits.get_mut(node) {
            visit.skipped |= skipped;
            if page.more && last != after {
                visit.stage = Stage::Fetching(last);
            } else {
                visit.stage = Stage::Idle;
                // What there was no room for is fetched again as soon as there is.
                let soon = visit.skipped && (visit.progress || !opened.is_empty());
                visit.due = if soon { now.instant } else { now.instant + every };
            }
        }
        opened
    }

    fn open_one(&mut self, node: &PublicKey, number: u64, bytes: &ByteBuf, now: Now) -> One {
        let is_being_taken = self.open.is_held(node, number) == Some(false);
        if self.done.contains(node, number) || is_being_taken {
            return One::Known;
        }
        let own = self.identity.public_key();
        let item = Item::decode(bytes.to_vec());
        let letter = item
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|item| self.keyring.open(node, item, own, &self.suites, now.timestamp));
        match (item, letter) {
            (Ok(item), Ok(letter)) => {
                if !self.open.add(node, number, item.header().prekey, &letter) {
                    return One::Later;
                }
                One::Opened(Box::new(Opened { node: *node, number, letter }))
            }
            // Its sender's clock may be right and this one wrong. Nodes delete what has expired.
            (_, Err(ItemError::Future { .. } | ItemError::Expired { .. })) => One::Known,
            // It will never open: the node need not keep it. That is found so again after a restart.
            (_, _) => {
                let _ = self.done.add(node, number, now.timestamp);
                One::Known
            }
        }
    }
}

enum One {
    Opened(Box<Opened>),
    /// There is no room for it now.
    Later,
    /// It is open already, or done with.
    Known,
}
