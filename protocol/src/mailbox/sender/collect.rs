//! Asking a mailbox node for receipts.

use std::time::Duration;

use super::Event;
use crate::crypto::PublicKey;
use crate::mailbox::MailReceipt;
use crate::message::{Collect, Mailbox, Receipts};
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Collecting {
    asked: bool,
    due: Instant,
    done: Option<u64>,
    /// Whether the node has not been told what was read.
    owes: bool,
}

impl Collecting {
    pub(super) const fn is_asked(&self) -> bool {
        self.asked
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    pub(super) const fn owes(&self) -> bool {
        self.owes
    }

    pub(super) fn hasten(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    pub(super) const fn request(&mut self) -> Mailbox {
        self.asked = true;
        self.owes = false;
        Mailbox::Collect(Collect { done: self.done })
    }

    pub(super) const fn failed(&mut self, due: Instant) {
        self.asked = false;
        self.due = due;
    }

    /// Takes a page of receipts. What is not a receiver's word to this sender is passed over.
    pub(super) fn take(
        &mut self,
        page: &Receipts,
        own: &PublicKey,
        every: Duration,
        now: Instant,
    ) -> Vec<Event> {
        if !std::mem::replace(&mut self.asked, false) {
            return Vec::new();
        }
        let last = page.receipts.iter().map(|one| one.number).max();
        // What was read is deleted with the next request, which is made at once if there was anything.
        let news = last > self.done;
        self.owes |= news;
        self.done = self.done.max(last);
        self.due = if news { now } else { now + every };
        let receipts =
            page.receipts.iter().filter_map(|one| MailReceipt::verify(&one.receipt).ok());
        let mine = receipts.filter(|receipt| receipt.sender == *own);
        mine.map(|receipt| {
            let MailReceipt { ids, code, owner: peer, status, .. } = receipt;
            Event::Receipt { peer, ids, status, code }
        })
        .collect()
    }
}
