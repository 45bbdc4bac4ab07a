//! Everything between this entity and one version 1.0 peer, without IO: the handshake, the session,
//! and messages one at a time. Each request is answered before the next one goes out, since
//! version 1.0 demands rising sequence numbers and streams may overtake each other.
//!
//! The contract is that of [`peer_protocol::link::Link`]: after each `handle_*`, `connected`,
//! `disconnected`, `open`, `send` and `close` the caller drains `poll_transmit` and `poll_event`,
//! and calls `handle_timeout` at `poll_timeout`.

mod held;
mod inbound;
mod opening;
mod outbound;
mod pause;
mod queue;
mod rate;
mod refusal;
mod responding;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::identity::{EntityId, TrustLevel, TrustView};
use peer_protocol::legacy::{NonceMemory, Session};
use peer_protocol::link::{Ended, ExchangeId, RequestId, SendFailure, Transmit};
use peer_protocol::message::ErrorReport;
use peer_protocol::rate_limit::{RateProfile, TokenBucket};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::rngs::StdRng;

use self::opening::Attempt;
use self::pause::Pause;
use self::queue::{Entry, Queue};
use self::rate::Limiter;
use self::responding::Responding;
use super::config::Config;
use super::courier::Terms;
use super::event::{EventKind, Outgoing};

pub(super) use self::refusal::rate_limited;
pub use self::refusal::refusal;

/// How long after asking for a connection the owner is asked again.
const REMIND: Duration = Duration::from_secs(1);

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Over a connection that the peer's key has opened.
    Connection,
    /// Otherwise; the key has signed the message.
    Call,
}

/// The request that is under way.
enum Sent {
    /// This side's `handshake`.
    Handshake(Box<Attempt>),
    /// This side's `handshake_confirm`.
    Confirm,
    /// A message, and the session it was sealed in, if it was in one.
    Message { session: Option<SessionId>, entry: Entry },
}

/// A session, and what is told about it.
struct Live {
    id: SessionId,
    session: Session,
    /// Whether the peer has it too.
    ready: bool,
    initiator: bool,
    /// When its handshake began.
    began: Instant,
}

/// The state between this entity and the holder of one key.
pub(super) struct Link {
    config: Arc<Config>,
    trust: Arc<dyn TrustView>,
    rng: StdRng,
    key: PublicKey,
    terms: Terms,
    /// Since when nonces are remembered.
    started: Timestamp,
    /// What the peer is called in messages to it.
    name: EntityId,
    /// What it proved to be.
    entity: Option<EntityId>,
    connected: bool,
    wanted: bool,
    asked_for_connection: Option<Instant>,
    responder: Option<Responding>,
    session: Option<Live>,
    nonces: NonceMemory,
    queue: Queue,
    under_way: Option<(RequestId, Sent)>,
    /// Requests of the peer that are not answered yet, and until when.
    held: VecDeque<(ExchangeId, Instant)>,
    /// The session that the peer was offered last, until that is told.
    offered: Option<SessionId>,
    /// When a handshake or the next message may go out.
    pause: Pause,
    limiter: Limiter,
    refusals: TokenBucket,
    next_request: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<EventKind>,
}

impl Link {
    pub(super) fn new(
        config: Arc<Config>,
        trust: Arc<dyn TrustView>,
        key: PublicKey,
        terms: Terms,
        started: Timestamp,
        rng: StdRng,
    ) -> Self {
        let limiter = Limiter::counting(Arc::clone(&config.limit_hits));
        Self {
            config,
            trust,
            rng,
            key,
            name: terms.entity.clone().unwrap_or_else(|| EntityId::derived(&key)),
            entity: terms.entity.clone(),
            terms,
            started,
            connected: false,
            wanted: false,
            asked_for_connection: None,
            responder: None,
            session: None,
            nonces: NonceMemory::default(),
            queue: Queue::default(),
            under_way: None,
            held: VecDeque::new(),
            offered: None,
            pause: Pause::default(),
            limiter,
            refusals: TokenBucket::default(),
            next_request: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The carrier can reach the peer.
    pub(super) fn connected(&mut self, now: Now) {
        self.connected = true;
        self.asked_for_connection = None;
        self.pause.reset();
        self.release_held();
        self.advance(now);
    }

    /// The carrier cannot reach the peer any more. A session stays.
    pub(super) fn disconnected(&mut self, now: Now) {
        self.connected = false;
        self.responder = None;
        self.advance(now);
    }

    /// Opens a session as soon as possible, if there is none.
    pub(super) fn open(&mut self, now: Now) {
        self.wanted = self.session.is_none() && !self.terms.sessionless;
        self.advance(now);
    }

    /// Queues a message; if that fails, an event says so.
    pub(super) fn send(&mut self, message: Outgoing, deadline: Instant, now: Now) {
        let id = message.id;
        if let Err(full) = self.queue.push(message, deadline) {
            self.failed(id, SendFailure::QueueFull(full));
        }
        self.advance(now);
    }

    /// Forgets the session; version 1.0 has no message that says so. What waits stays.
    pub(super) fn close(&mut self) {
        self.wanted = false;
        self.responder = None;
        self.release_held();
        self.under_way.take_if(|(_, sent)| !matches!(sent, Sent::Message { .. }));
        self.end_session(Ended::Closed);
    }

    /// Forgets the session, and refuses everything that waits.
    pub(super) fn bar(&mut self, code: ErrorCode, detail: &str) {
        self.close();
        if let Some((_, Sent::Message { entry, .. })) = self.under_way.take() {
            self.failed(entry.message.id, SendFailure::Unknown);
        }
        self.refuse_queue(code, detail);
    }

    /// A request of this side was answered.
    pub(super) fn handle_answer(&mut self, id: RequestId, bytes: &[u8], now: Now) {
        // What was given up in the meantime does not matter any more.
        if let Some((_, sent)) = self.under_way.take_if(|(under_way, _)| *under_way == id) {
            match sent {
                Sent::Handshake(attempt) => self.on_handshake_answer(*attempt, bytes, now),
                Sent::Confirm => self.on_confirm_answer(bytes, now),
                Sent::Message { session, entry } => {
                    self.on_message_answer(session, entry, bytes, now);
                }
            }
        }
        self.advance(now);
    }

    /// A request of this side failed; `sent` says whether it may have arrived.
    pub(super) fn handle_failure(&mut self, id: RequestId, sent: bool, now: Now) {
        if let Some((_, request)) = self.under_way.take_if(|(under_way, _)| *under_way == id) {
            match request {
                Sent::Message { entry, .. } if sent => {
                    self.failed(entry.message.id, SendFailure::Unknown);
                }
                Sent::Message { entry, .. } => {
                    self.pause.after(None, now.instant);
                    self.queue.put_back(entry);
                }
                Sent::Handshake(_) | Sent::Confirm => self.opening_lost(now),
            }
        }
        self.advance(now);
    }

    /// A request of this side was refused on its way, and has not reached the peer.
    pub(super) fn handle_refusal(&mut self, id: RequestId, report: ErrorReport, now: Now) {
        if let Some((_, request)) = self.under_way.take_if(|(under_way, _)| *under_way == id) {
            let ErrorReport { code, detail, .. } = report;
            match request {
                Sent::Message { entry, .. } => {
                    self.failed(entry.message.id, SendFailure::Refused { code, detail });
                }
                Sent::Handshake(_) | Sent::Confirm => self.give_up(code, detail, false, None, now),
            }
        }
        self.advance(now);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    /// When [`Link::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let session = self.session.as_ref().map(|live| live.session.expires_at());
        let responder = self.responder.as_ref().map(Responding::deadline);
        let idle = self.under_way.is_none() && self.connected;
        let has_work = self.wanted || !self.queue.is_empty();
        let resume = self.pause.until().filter(|_| idle && has_work);
        let needed = !self.connected && !self.queue.is_empty();
        let remind = self.asked_for_connection.filter(|_| needed).map(|at| at + REMIND);
        let opening = self.opening_deadline();
        let (queue, held) = (self.queue.next_deadline(), self.held_until());
        [session, responder, opening, queue, resume, remind, held].into_iter().flatten().min()
    }

    /// A session that the peer was offered, before it can know of it.
    pub(super) const fn poll_offered(&mut self) -> Option<SessionId> {
        self.offered.take()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<EventKind> {
        self.events.pop_front()
    }

    /// Drops what is over, and sends what can be sent.
    fn advance(&mut self, now: Now) {
        for entry in self.queue.timed_out(now.instant) {
            self.failed(entry.message.id, SendFailure::Expired);
        }
        if self.session.as_ref().is_some_and(|live| now.instant >= live.session.expires_at()) {
            self.end_session(Ended::Expired);
        }
        self.responder.take_if(|responding| responding.deadline() <= now.instant);
        if self.opening_deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.under_way = None;
            self.opening_lost(now);
        }
        self.answer_held(now);
        if !self.connected {
            let due = self.asked_for_connection.is_none_or(|at| at + REMIND <= now.instant);
            if !self.queue.is_empty() && due {
                self.asked_for_connection = Some(now.instant);
                self.events.push_back(EventKind::NeedConnection);
            }
            return;
        }
        while self.under_way.is_none() && self.pause.is_over(now.instant) {
            let progress = if self.session.is_some() || self.terms.sessionless {
                self.send_next(now)
            } else {
                self.seek_handshake(now)
            };
            if !progress {
                return;
            }
        }
    }

    fn end_session(&mut self, why: Ended) {
        if let Some(live) = self.session.take()
            && live.ready
        {
            self.events.push_back(EventKind::SessionEnded { id: live.id, why });
        }
    }

    fn refuse_queue(&mut self, code: ErrorCode, detail: &str) {
        while let Some(entry) = self.queue.take() {
            let why = SendFailure::Refused { code, detail: detail.to_owned() };
            self.failed(entry.message.id, why);
        }
    }

    fn failed(&mut self, id: peer_protocol::id::MessageId, why: SendFailure) {
        self.events.push_back(EventKind::Failed { id, why });
    }

    /// The rates that apply to this peer.
    fn rate_profile(&self) -> RateProfile {
        let level = self.entity.as_ref().and_then(|entity| self.trust.level(entity, &self.key));
        match level {
            Some(TrustLevel::Pinned) => self.config.trusted_rate,
            Some(TrustLevel::Seen | TrustLevel::Revoked) | None => self.config.rate,
        }
    }
}
