//! Receipts on their way to the peer (§8.3).

use std::time::Duration;

use rand_core::CryptoRng;

use super::batch::MAX_RECEIPTS;
use crate::id::MessageId;
use crate::limits::{BATCH_TARGET_LEN, MAX_BATCH, MAX_OWED_PROCESSED, MAX_WINDOW_MESSAGES};
use crate::message::{Body, Message, Receipt, ReceiptStatus};
use crate::time::Instant;

/// Most ids in one receipt.
const MAX_IDS: usize = 2 * MAX_BATCH;
/// How long receipts of what the agent took wait for more of them.
const GATHER_PROCESSED: Duration = Duration::from_millis(20);

/// Receipts, by what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Receipts {
    pub(super) received: Vec<MessageId>,
    pub(super) delivered: Vec<MessageId>,
    pub(super) processed: Vec<MessageId>,
}

impl Receipts {
    pub(super) const fn is_empty(&self) -> bool {
        self.received.is_empty() && self.delivered.is_empty() && self.processed.is_empty()
    }

    /// Adds what `id` has come to.
    pub(super) fn add(&mut self, id: MessageId, status: ReceiptStatus) {
        match status {
            ReceiptStatus::Received => self.received.push(id),
            ReceiptStatus::Delivered => self.delivered.push(id),
            ReceiptStatus::Processed => self.processed.push(id),
        }
    }

    /// The messages that say so.
    pub(super) fn messages(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Message> {
        let statuses = [
            (ReceiptStatus::Received, &self.received),
            (ReceiptStatus::Delivered, &self.delivered),
            (ReceiptStatus::Processed, &self.processed),
        ];
        let receipts = statuses.into_iter().flat_map(|(status, ids)| {
            ids.chunks(MAX_IDS).map(move |ids| Receipt { status, message_ids: ids.to_vec() })
        });
        receipts
            .filter_map(|receipt| Message::new(rng, &Body::from(receipt), None).ok())
            .take(MAX_RECEIPTS)
            .collect()
    }
}

/// What the peer is still to be told.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// `processed` here is what the peer has asked about again; what it is to be told by itself is in
    /// `taken`.
    receipts: Receipts,
    /// Messages that the agent took. Told in requests only, whose answers say that it was heard.
    taken: Vec<MessageId>,
    /// When it is to be said by itself, if nothing else is.
    at: Option<Instant>,
}

impl Owed {
    /// Owes more. What is too much is dropped; its sender sends it again, and is then told.
    pub(super) fn add(&mut self, more: &Receipts, due: Instant) {
        if more.is_empty() {
            return;
        }
        for (owed, more, most) in [
            (&mut self.receipts.received, &more.received, MAX_BATCH),
            (&mut self.receipts.delivered, &more.delivered, MAX_WINDOW_MESSAGES),
            (&mut self.receipts.processed, &more.processed, MAX_IDS),
        ] {
            owed.extend_from_slice(more);
            let surplus = owed.len().saturating_sub(most);
            owed.drain(..surplus);
        }
        self.due(due);
    }

    /// Owes the news that the agent took messages. What is too much stays on disk, for the next link.
    pub(super) fn add_taken(&mut self, ids: &[MessageId], now: Instant) {
        let room = MAX_OWED_PROCESSED.saturating_sub(self.taken.len());
        self.taken.extend(ids.iter().take(room));
        if !self.taken.is_empty() {
            self.due(now + GATHER_PROCESSED);
        }
    }

    fn due(&mut self, at: Instant) {
        self.at = Some(self.at.map_or(at, |before| before.min(at)));
    }

    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at <= now)
    }

    #[cfg(test)]
    pub(super) fn received(&self) -> &[MessageId] {
        &self.receipts.received
    }

    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.receipts.is_empty() && self.taken.is_empty()
    }

    /// Whether the agent took something that the peer was not told.
    pub(super) const fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Whether there is something to be said at once.
    pub(super) fn is_urgent(&self, now: Instant) -> bool {
        !self.receipts.delivered.is_empty() && self.is_due(now)
    }

    /// What goes with an answer whose other messages have `len` bytes.
    pub(super) fn for_answer(&mut self, len: usize) -> Receipts {
        if len > BATCH_TARGET_LEN {
            // A largest message leaves room for few.
            let few = self.receipts.delivered.len().min(MAX_BATCH);
            let delivered = self.receipts.delivered.drain(..few).collect();
            return Receipts { delivered, ..Receipts::default() };
        }
        let receipts = std::mem::take(&mut self.receipts);
        self.at = if self.taken.is_empty() { None } else { self.at };
        receipts
    }

    /// What goes with a request, and what else of it is news that the agent took messages.
    pub(super) fn for_request(&mut self, len: usize) -> (Receipts, Vec<MessageId>) {
        let most = if len > BATCH_TARGET_LEN { 0 } else { MAX_IDS };
        let taken: Vec<_> = self.taken.drain(..self.taken.len().min(most)).collect();
        (self.for_answer(len), taken)
    }

    /// There is a connection again: what the agent took can be told.
    pub(super) fn connected(&mut self, now: Instant) {
        if !self.taken.is_empty() {
            self.due(now + GATHER_PROCESSED);
        }
    }

    /// Forgets what the peer will ask about again.
    pub(super) fn forget(&mut self) {
        self.receipts = Receipts::default();
        self.at = None;
    }
}
