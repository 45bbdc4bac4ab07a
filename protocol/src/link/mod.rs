//! Everything between this entity and one other: handshakes, sessions, renewal, and messages that
//! are sent again until they are acknowledged (`docs/PROTOCOL.md` §5, §7.3, §14).
//!
//! A link is driven by a carrier, which moves requests and answers, whatever they travel over:
//!
//! - bytes and time go in through `handle_*`, [`Link::connected`], [`Link::disconnected`],
//!   [`Link::open`], [`Link::send`], [`Link::hand`] and what the disk says;
//! - after each of these, the caller drains [`Link::poll_transmit`] and [`Link::poll_event`] until
//!   both are empty, and arranges to call [`Link::handle_timeout`] at [`Link::poll_timeout`];
//! - each [`Transmit::Request`] is reported back exactly once, through [`Link::handle_answer`] or
//!   [`Link::handle_failure`]; each request handed to [`Link::handle_request`] gets exactly one
//!   [`Transmit::Answer`] or [`Transmit::Drop`], unless the connection is lost before.

#[macro_use]
mod context;
mod answers;
mod batch;
mod config;
mod event;
mod giving_up;
mod lane;
mod mail;
mod opening;
mod ordered;
mod outbox;
mod owed;
mod pace;
mod receive;
mod recent;
mod reply;
mod requests;
mod responding;
mod sessions;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rand_core::CryptoRng;

pub use config::{Admission, AdmitAll, LinkConfig};
pub use event::{
    Ended, Event, ExchangeId, QueueFull, RequestId, SendFailure, SessionInfo, Transmit,
};
pub use mail::MailVerdict;

use self::lane::Lane;
use self::opening::Opening;
use self::outbox::Outbox;
use self::owed::Owed;
use self::recent::RecentIds;
use self::reply::Held;
use self::requests::{Content, Silence};
use self::sessions::Sessions;
use crate::crypto::PublicKey;
use crate::delivery::Incoming;
use crate::handshake::{Phase, SessionState};
use crate::identity::{EntityId, Fingerprint, TrustView};
use crate::limits::MAX_QUEUED_BYTES_UNPINNED;
use crate::message::{Body, Message, MessageKind, SessionClose};
use crate::rate_limit::{PeerLimiter, TokenBucket};
use crate::replay::ReplayGuard;
use crate::time::{Instant, Now};

/// The state between this entity and the holder of one key.
pub struct Link {
    config: Arc<LinkConfig>,
    trust: Arc<dyn TrustView>,
    rng: Box<dyn CryptoRng + Send>,
    peer_key: PublicKey,
    peer_entity: Option<EntityId>,
    connected: bool,
    opening: Opening,
    sessions: Sessions,
    outbox: Outbox,
    lane: Lane,
    owed: Owed,
    incoming: Incoming,
    /// When it is next looked whether what is held has to give way.
    gives_way: Option<Instant>,
    recent: RecentIds,
    replay: ReplayGuard,
    limiter: PeerLimiter,
    refusals: TokenBucket,
    sealed_requests: TokenBucket,
    in_flight: HashMap<RequestId, Content>,
    last_sealed: Instant,
    /// When it was last tried to send what waits.
    flushed: Instant,
    next_request: u64,
    /// By the number under which they are held; the oldest first.
    held: BTreeMap<u64, Held>,
    next_hold: u64,
    last_heard: Instant,
    silence: Option<Silence>,
    asked_for_connection: Option<Instant>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Link {
    /// A link to the holder of `peer_key`.
    #[must_use]
    pub fn new(
        config: Arc<LinkConfig>,
        trust: Arc<dyn TrustView>,
        peer_key: PublicKey,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let replay = ReplayGuard::new(config.handshake.max_skew);
        let incoming = Incoming::within(config.held.clone());
        let limiter = PeerLimiter::counting(Arc::clone(&config.limit_hits));
        Self {
            config,
            trust,
            rng,
            peer_key,
            peer_entity: None,
            connected: false,
            opening: Opening::default(),
            sessions: Sessions::default(),
            outbox: Outbox::default(),
            lane: Lane::default(),
            owed: Owed::default(),
            incoming,
            gives_way: None,
            recent: RecentIds::default(),
            replay,
            limiter,
            refusals: TokenBucket::default(),
            sealed_requests: TokenBucket::default(),
            in_flight: HashMap::new(),
            last_sealed: Instant::default(),
            flushed: Instant::default(),
            next_request: 0,
            held: BTreeMap::new(),
            next_hold: 0,
            last_heard: Instant::default(),
            silence: None,
            asked_for_connection: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The carrier can reach the peer.
    pub fn connected(&mut self, now: Now) {
        self.connected = true;
        self.silence = None;
        self.asked_for_connection = None;
        self.last_heard = now.instant;
        self.opening.reset_backoff();
        self.lane.connected();
        self.owed.connected(now.instant);
        self.flush(now);
    }

    /// The carrier cannot reach the peer any more. Sessions stay; what was under way does not.
    pub fn disconnected(&mut self, now: Now) {
        self.connected = false;
        self.held.clear();
        self.incoming.let_go();
        self.abandon_handshake("the connection was lost", now);
        self.flush(now);
    }

    /// Opens a session as soon as possible, if there is none.
    pub fn open(&mut self, now: Now) {
        let usable = self.sessions.newest().is_some_and(|session| session.can_send(now.instant));
        self.opening.wanted = !usable;
        self.opening.hurry();
        self.flush(now);
    }

    /// Queues a volatile message; it is sent, and sent again, until it is acknowledged, refused, or
    /// `deadline` has passed. Each ends in one [`Event::Receipt`] or [`Event::Failed`].
    ///
    /// # Errors
    /// [`QueueFull`] if too much waits already; the message is then not queued.
    pub fn send(&mut self, message: Message, deadline: Instant, now: Now) -> Result<(), QueueFull> {
        self.queue(message, deadline)?;
        self.flush(now);
        Ok(())
    }

    /// As [`Link::send`], but nothing goes out before [`Link::flush`]: several messages at once are
    /// then sealed together.
    ///
    /// # Errors
    /// [`QueueFull`] if too much waits already; the message is then not queued.
    pub fn queue(&mut self, message: Message, deadline: Instant) -> Result<(), QueueFull> {
        let bytes = self.outbox.bytes().saturating_add(message.body.len());
        let counts = message.kind != MessageKind::Chunk && bytes > MAX_QUEUED_BYTES_UNPINNED;
        if counts && !self.is_pinned() {
            return Err(QueueFull::Bytes);
        }
        self.outbox.push(Message { order: None, ..message }, deadline)?;
        self.opening.hurry();
        Ok(())
    }

    /// Tells the peer that the session ends, and forgets it. What still waits stays queued.
    pub fn close(&mut self, reason: &str, now: Now) {
        self.abandon_handshake(reason, now);
        self.opening.wanted = false;
        let body = Body::from(SessionClose { reason: reason.to_owned() });
        if let Ok(message) = Message::new(self.rng.as_mut(), &body, None) {
            self.send_now(vec![message], now);
        }
        for id in self.sessions.clear() {
            self.events.push_back(Event::SessionEnded { id, why: Ended::Closed });
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.tick_handshake(now);
        for id in self.sessions.tick(now.instant) {
            self.events.push_back(Event::SessionEnded { id, why: Ended::Expired });
        }
        for over in self.outbox.tick(now.instant) {
            let why = if over.sent { SendFailure::Unknown } else { SendFailure::Expired };
            self.events.push_back(Event::Failed { id: over.id, why });
        }
        self.lane.tick(now.instant);
        self.tick_held(now);
        self.tick_early(now.instant);
        self.tick_receipts(now.instant);
        self.tick_unresponsive(now);
        self.flush(now);
    }

    /// When [`Link::handle_timeout`] is due; `None` if nothing will ever be.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        [
            self.next_handshake_tick(now),
            self.sessions.next_tick(),
            self.outbox.next_tick(),
            self.lane.next_tick(),
            self.next_held_tick(),
            self.gives_way,
            self.next_receipt_tick(now),
            self.next_gathered(now),
            self.next_unresponsive_tick(),
            self.next_reminder(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Something for the carrier to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Something for the owner to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Where the newest session, or the handshake for the first one, stands.
    #[must_use]
    pub fn phase(&self, now: Instant) -> Phase {
        use crate::handshake::{HandshakeKind, ThreeWayState};
        match (self.sessions.newest(), self.opening.phase()) {
            (Some(session), _) if !session.is_expired(now) => match session.handshake() {
                HandshakeKind::SixStep => Phase::SixStep(SessionState::Ready),
                HandshakeKind::ThreeWay => Phase::ThreeWay(ThreeWayState::Active),
            },
            (_, Some(phase)) => phase,
            (Some(_), None) => Phase::SixStep(SessionState::Expired),
            (None, None) => Phase::SixStep(SessionState::Initial),
        }
    }

    /// The peer's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.peer_key)
    }

    /// Whether there is a session, of whatever age.
    #[must_use]
    pub fn has_session(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Messages that wait or are under way.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len() + self.lane.len()
    }
}

#[cfg(test)]
mod tests;
