//! Answering requests: at once, or a little later with a result on board.

use rand_core::Rng as _;

use super::batch::{Batch, MAX_RECEIPTS};
use super::outbox::Line;
use super::owed::Receipts;
use super::requests::Content;
use super::{ExchangeId, Link, Transmit};
use crate::cbor;
use crate::envelope::{self, Envelope, EnvelopeKind, Header};
use crate::error::ErrorCode;
use crate::id::{Nonce, SessionId};
use crate::identity::EntityId;
use crate::limits::{MAX_BATCH, MAX_RIDING_LEN_UNPINNED};
use crate::message::{Body, ErrorReport, Message, Receipt, ReceiptStatus};
use crate::rate_limit::{Quota, RateLimited, RateProfile};
use crate::time::{Instant, Now};

/// Most exchanges whose answer is held back at once.
const MAX_HELD: usize = 64;
/// How often a peer gets an error outside a session, or an answer that refuses all of a request for
/// its rate; beyond it, requests just fail.
pub(super) const REFUSALS: Quota = Quota { per_minute: 120, burst: 60 };
/// How many sealed requests a peer may make, whatever is in them.
const SEALED_REQUESTS: Quota = Quota { per_minute: 1_200, burst: 2_400 };
const TRUSTED_SEALED_REQUESTS: Quota = Quota { per_minute: 60_000, burst: 120_000 };

/// A request whose answer waits for a result that may come soon, or for the disk.
pub(super) struct Held {
    pub(super) exchange: ExchangeId,
    pub(super) session: SessionId,
    pub(super) receipts: Receipts,
    pub(super) refused: Vec<Message>,
    /// Messages that are being written.
    pub(super) writing: usize,
    pub(super) expects_answer: bool,
    pub(super) until: Instant,
}

impl Link {
    /// The number under which the next exchange is held, if it is.
    pub(super) const fn next_hold(&mut self) -> u64 {
        self.next_hold += 1;
        self.next_hold
    }

    /// Keeps an answer back for as long as the configuration says.
    pub(super) fn hold(&mut self, number: u64, held: Held, now: Now) {
        self.held.insert(number, held);
        if self.held.len() > MAX_HELD {
            self.release_oldest(now);
        }
    }

    /// Answers held requests whose time is up.
    pub(super) fn tick_held(&mut self, now: Now) {
        while self.next_held_tick().is_some_and(|until| until <= now.instant) {
            self.release_oldest(now);
        }
    }

    /// When the oldest of the answers that are held back is due.
    pub(super) fn next_held_tick(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, held)| held.until)
    }

    /// Lets waiting messages, and receipts that should not wait, ride in held answers.
    pub(super) fn answer_with_waiting(&mut self, now: Now) {
        while !self.held.is_empty()
            && (self.outbox.has_waiting()
                || self.outbox.has_bulk()
                || self.lane.has_due(now.instant)
                || self.owed.is_urgent(now.instant))
        {
            self.release_oldest(now);
        }
    }

    fn release_oldest(&mut self, now: Now) {
        if let Some((_, held)) = self.held.pop_first() {
            self.answer_held(held, now);
        }
    }

    /// Answers a request: what became of its messages, and whatever waits.
    pub(super) fn answer_held(&mut self, held: Held, now: Now) {
        let Held { exchange, session, receipts, refused, .. } = held;
        self.owe(&receipts, now.instant);
        if !refused.is_empty() {
            // Nothing rides with refusals: together they could be more than one envelope holds.
            return self.answer_sealed(exchange, session, refused, now);
        }
        // Answers count towards nothing that bounds what is in memory for one peer, as requests do.
        let batch = Batch::new(MAX_BATCH);
        let batch = if self.is_pinned() { batch } else { batch.within(MAX_RIDING_LEN_UNPINNED) };
        let riding = self.next_batch(batch, true, now);
        let (ordered, volatile): (Vec<_>, Vec<_>) =
            riding.iter().partition(|message| message.order.is_some());
        for message in volatile {
            self.outbox.delay(message.id, now.instant + self.config.answer_timeout);
        }
        let ordered: Vec<_> = ordered.into_iter().map(|message| message.id).collect();
        self.left(&ordered, session);
        let jitter = self.jitter();
        self.lane.unmentioned(&ordered, jitter, now.instant);
        self.answer_sealed(exchange, session, riding, now);
    }

    /// What goes next: volatile messages, then, if `all` may go, ordered ones, then chunks.
    /// As many as `batch` has room for.
    pub(super) fn next_batch(&mut self, mut batch: Batch, all: bool, now: Now) -> Vec<Message> {
        self.outbox.fill(&mut batch, Line::Prompt, now.instant);
        if all {
            self.lane.fill(&mut batch, &mut self.outbox.pacer, now.instant);
            self.outbox.fill(&mut batch, Line::Bulk, now.instant);
        }
        batch.into_messages()
    }

    /// From 0 to 1.
    pub(super) fn jitter(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }

    /// Seals `messages`, with the receipts that are owed, into an answer.
    pub(super) fn answer_sealed(
        &mut self,
        exchange: ExchangeId,
        session: SessionId,
        messages: Vec<Message>,
        now: Now,
    ) {
        let len = messages.iter().map(|message| message.body.len()).sum();
        let receipts = self.owed.for_answer(len);
        let mut batch = receipts.messages(self.rng.as_mut());
        // What is left out here, of too many refusals, is refused when it comes again.
        batch.extend(messages.into_iter().take(MAX_BATCH - MAX_RECEIPTS));
        if batch.is_empty() {
            let nothing = Receipt { status: ReceiptStatus::Received, message_ids: Vec::new() };
            batch.extend(Message::new(self.rng.as_mut(), &Body::from(nothing), None));
        }
        let sealed = self.sessions.get(session).and_then(|session| {
            let identity = &self.config.handshake.identity;
            session.seal(&batch, identity, self.rng.as_mut(), now).ok()
        });
        match sealed {
            Some(sealed) => self.answer(exchange, sealed.bytes),
            None => {
                self.owe(&receipts, now.instant);
                self.drop_exchange(exchange);
            }
        }
    }

    pub(super) fn answer(&mut self, exchange: ExchangeId, envelope: Vec<u8>) {
        self.transmits.push_back(Transmit::Answer { exchange, envelope });
    }

    pub(super) fn drop_exchange(&mut self, exchange: ExchangeId) {
        self.transmits.push_back(Transmit::Drop { exchange });
    }

    /// Refuses a request with an error outside any session. The carrier may do so too, for requests
    /// that it does not let in.
    pub fn refuse(
        &mut self,
        exchange: ExchangeId,
        envelope: Option<&Envelope>,
        code: ErrorCode,
        detail: &str,
        now: Now,
    ) {
        let nonce = envelope.map(|envelope| envelope.header().nonce);
        self.refuse_with(exchange, nonce, ErrorReport::new(code, detail), now);
    }

    /// Refuses a request that is over a rate.
    pub fn refuse_for_now(
        &mut self,
        exchange: ExchangeId,
        envelope: &Envelope,
        limited: RateLimited,
        now: Now,
    ) {
        self.refuse_with(exchange, Some(envelope.header().nonce), rate_limited(limited), now);
    }

    pub(super) fn refuse_with(
        &mut self,
        exchange: ExchangeId,
        nonce: Option<Nonce>,
        mut report: ErrorReport,
        now: Now,
    ) {
        // Each refusal costs a signature: a peer that only makes errors gets no more of them.
        if self.refusals.take(REFUSALS, now.instant).is_err() {
            return self.drop_exchange(exchange);
        }
        report.in_reply_to = nonce.map(|nonce| *nonce.as_bytes());
        let header = Header {
            kind: EnvelopeKind::Error,
            sender: self.config.handshake.identity.entity().clone(),
            recipient: EntityId::derived(&self.peer_key),
            session: None,
            sequence: 0,
            timestamp: now.timestamp,
            nonce: Nonce::random(self.rng.as_mut()),
        };
        let payload = cbor::encode(&report);
        let envelope = envelope::plain(&header, &payload, &self.config.handshake.identity);
        self.answer(exchange, envelope);
    }

    /// The rates that apply to this peer.
    pub(super) fn rate_profile(&self) -> RateProfile {
        if self.is_pinned() { self.config.trusted_rate } else { self.config.rate }
    }

    /// How many sealed requests it may make.
    pub(super) fn sealed_quota(&self) -> Quota {
        if self.is_pinned() { TRUSTED_SEALED_REQUESTS } else { SEALED_REQUESTS }
    }

    pub(super) fn is_pinned(&self) -> bool {
        use crate::identity::TrustLevel;
        let entity = self.peer_entity.as_ref();
        let level = entity.and_then(|entity| self.trust.level(entity, &self.peer_key));
        level == Some(TrustLevel::Pinned)
    }

    /// Messages of requests that will not be answered are sent again.
    pub(super) fn lost(&mut self, content: Content, now: Now) {
        match content {
            Content::Step { attempt, .. } => self.on_step_lost(attempt, now),
            Content::Sealed { messages, ordered, receipts, taken, .. } => {
                for id in messages {
                    self.outbox.retry(id, now.instant);
                }
                self.lane.lost(&ordered, now.instant);
                self.owe(&receipts, now.instant);
                self.owed.add_taken(&taken, now.instant);
            }
        }
    }
}

/// The report of a rate limit. A millisecond is added so that the announced time is not too short.
pub(super) fn rate_limited(limited: RateLimited) -> ErrorReport {
    let millis = u64::try_from(limited.retry_after.as_millis()).unwrap_or(u64::MAX);
    ErrorReport {
        retry_after_ms: Some(millis.saturating_add(1)),
        ..ErrorReport::new(ErrorCode::RateLimited, limited.to_string())
    }
}
