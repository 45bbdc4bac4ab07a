//! Several hops over libp2p: packets on `/peer/1.1.0/hop` (`docs/PROTOCOL.md` §12).
//!
//! The behaviour moves packets between the swarm and a [`Router`], which decides. [`Shuttle`] moves
//! envelopes between this behaviour and [`secure`](crate::secure); neither knows of the other.

pub(crate) mod codec;
mod shuttle;
mod swarm;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use libp2p_core::PeerId;
use libp2p_request_response::{
    self as request_response, InboundRequestId, Message, OutboundFailure, OutboundRequestId,
    ProtocolSupport, ResponseChannel,
};
use libp2p_swarm::{StreamProtocol, THandlerInEvent, ToSwarm};
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::MAX_PACKET_LIFE;
use peer_protocol::routing::{
    self, ArrivalId, Config, ExchangeId, PacketId, Refusal, Router, Stats, TooMuch, Transmit, TryId,
};
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::time::Sleep;

pub use self::shuttle::Shuttle;

use self::codec::{Codec, Request, Response};
use crate::clock::Clock;
use crate::secure::{key_of, peer_id_of};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/1.1.0/hop");

/// An exchange is over after this long. The router gives up before.
const REQUEST_TIMEOUT: std::time::Duration = MAX_PACKET_LIFE.saturating_add(MAX_PACKET_LIFE);
/// Streams of one connection at once, in both directions: the router has at most 64 packets under
/// way over a neighbour, and takes at most 64 of it.
const MAX_STREAMS: usize = 160;

type Inner = request_response::Behaviour<Codec>;

/// Something that the owner moves on, usually by means of a [`Shuttle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet of this node was answered. The destination signed the answer.
    Answered {
        /// Which.
        packet: PacketId,
        /// The destination.
        peer: PeerId,
        /// How many hops it made.
        hops: u8,
        /// The answer.
        envelope: Vec<u8>,
    },
    /// A packet of this node came to nothing.
    Failed {
        /// Which.
        packet: PacketId,
        /// The destination.
        peer: PeerId,
        /// Why.
        refusal: Refusal,
    },
    /// A packet for this node came in, and wants an answer.
    Arrived {
        /// The id to answer under.
        arrival: ArrivalId,
        /// Who sent it, as it says.
        origin: PeerId,
        /// Who brought it.
        neighbour: PeerId,
        /// What is in it.
        envelope: Vec<u8>,
    },
}

/// Why a packet cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The destination's peer id is not that of an Ed25519 key.
    #[error("the peer id is not that of an Ed25519 key")]
    ForeignKey,
    /// Too much is under way.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
}

/// The behaviour.
pub struct Behaviour {
    router: Router,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    inner: Inner,
    /// Connected peers with a usable key.
    connected: HashMap<PublicKey, PeerId>,
    /// Those among them that do not speak the protocol.
    deaf: HashSet<PeerId>,
    tries: HashMap<OutboundRequestId, TryId>,
    exchanges: HashMap<ExchangeId, ResponseChannel<Response>>,
    by_inbound: HashMap<InboundRequestId, ExchangeId>,
    next_exchange: u64,
    timer: Option<Pin<Box<Sleep>>>,
    /// Drained by every poll.
    pending: VecDeque<ToSwarm<Event, THandlerInEvent<Inner>>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A behaviour of the holder of `own`.
    #[must_use]
    pub fn new(own: PublicKey, config: Config, clock: Arc<dyn Clock>) -> Self {
        let inner = request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(MAX_STREAMS);
        Self {
            router: Router::new(own, config),
            clock,
            rng: rand::make_rng(),
            inner: Inner::with_codec(Codec::default(), [(PROTOCOL, ProtocolSupport::Full)], inner),
            connected: HashMap::new(),
            deaf: HashSet::new(),
            tries: HashMap::new(),
            exchanges: HashMap::new(),
            by_inbound: HashMap::new(),
            next_exchange: 0,
            timer: None,
            pending: VecDeque::new(),
            waker: None,
        }
    }

    /// Sends an envelope to `peer` over neighbours; what becomes of it follows as an event.
    ///
    /// # Errors
    /// [`SendError`] if it was not taken.
    pub fn send(&mut self, peer: &PeerId, envelope: Vec<u8>) -> Result<PacketId, SendError> {
        let destination = key_of(peer).ok_or(SendError::ForeignKey)?;
        let now = self.clock.now();
        let sent = self.router.send(destination, Bytes::from(envelope), &mut self.rng, now)?;
        self.wake();
        Ok(sent)
    }

    /// Answers a packet for this node.
    pub fn answer(&mut self, arrival: ArrivalId, envelope: Vec<u8>) {
        self.router.answer(arrival, &Bytes::from(envelope), self.clock.now());
        self.wake();
    }

    /// Leaves a packet for this node without an answer.
    pub fn give_up(&mut self, arrival: ArrivalId, refusal: Refusal) {
        self.router.give_up(arrival, refusal);
        self.wake();
    }

    /// The way to `peer` is no good: the next packet goes another one, if there is any.
    pub fn penalise(&mut self, peer: &PeerId) {
        if let Some(key) = key_of(peer) {
            self.router.penalise(&key, self.clock.now());
            self.wake();
        }
    }

    /// Says whether a connected peer speaks the protocol, as identify tells. Until then it is taken to.
    pub fn set_speaks(&mut self, peer: &PeerId, speaks: bool) {
        let Some(key) = key_of(peer).filter(|key| self.connected.contains_key(key)) else { return };
        if speaks {
            self.deaf.remove(peer);
            self.router.neighbour_up(key, self.clock.now());
        } else {
            self.deaf.insert(*peer);
            self.router.neighbour_down(&key, self.clock.now());
        }
        self.wake();
    }

    /// Whether there is any neighbour that may carry.
    #[must_use]
    pub fn has_neighbours(&self) -> bool {
        self.router.has_neighbours()
    }

    /// Hops to `peer` when it last answered, if a route is known.
    #[must_use]
    pub fn hops(&self, peer: &PeerId) -> Option<u8> {
        self.router.hops(&key_of(peer)?, self.clock.now().instant)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.router.stats()
    }

    fn on_message(&mut self, peer: PeerId, message: Message<Request, Response>) {
        let now = self.clock.now();
        match message {
            Message::Request { request_id, request: Request::Incoming(request), channel } => {
                let Some(key) = key_of(&peer) else { return };
                let exchange = ExchangeId(self.next_exchange);
                self.next_exchange += 1;
                self.exchanges.insert(exchange, channel);
                self.by_inbound.insert(request_id, exchange);
                if self.deaf.remove(&peer) {
                    self.router.neighbour_up(key, now);
                }
                match request {
                    Ok(packet) => self.router.handle_packet(key, exchange, packet, now),
                    Err(error) => {
                        tracing::debug!(%peer, %error, "a packet is refused");
                        self.router.refuse_garbage(exchange, &error);
                    }
                }
            }
            Message::Response { request_id, response: Response::Incoming(response) } => {
                let Some(id) = self.tries.remove(&request_id) else { return };
                match response {
                    Ok(outcome) => self.router.handle_outcome(id, outcome, now),
                    Err(error) => {
                        tracing::debug!(%peer, %error, "an outcome does not hold");
                        self.router.handle_failure(id, now);
                    }
                }
            }
            // Only what came in comes in.
            Message::Request { .. } | Message::Response { .. } => {}
        }
    }

    fn on_inner(&mut self, event: request_response::Event<Request, Response>) {
        use request_response::Event as Inner;
        match event {
            Inner::Message { peer, message, .. } => self.on_message(peer, message),
            Inner::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a neighbour did not answer");
                let unsupported = match &error {
                    OutboundFailure::UnsupportedProtocols => true,
                    OutboundFailure::Io(error) => crate::secure::is_refusal(error),
                    OutboundFailure::DialFailure
                    | OutboundFailure::Timeout
                    | OutboundFailure::ConnectionClosed => false,
                };
                if let Some(id) = self.tries.remove(&request_id) {
                    self.router.handle_failure(id, self.clock.now());
                }
                if unsupported {
                    self.set_speaks(&peer, false);
                }
            }
            Inner::InboundFailure { request_id, .. } | Inner::ResponseSent { request_id, .. } => {
                if let Some(exchange) = self.by_inbound.remove(&request_id) {
                    self.exchanges.remove(&exchange);
                }
            }
        }
    }

    /// Hands on what the router has to say.
    fn drain_router(&mut self) {
        while let Some(transmit) = self.router.poll_transmit() {
            match transmit {
                Transmit::Packet { id, neighbour, packet } => {
                    let peer = self.connected.get(&neighbour);
                    // A request to a stranger would make the inner behaviour dial by itself.
                    match peer.filter(|peer| self.inner.is_connected(peer)) {
                        Some(peer) => {
                            let request = self.inner.send_request(peer, Request::Outgoing(*packet));
                            self.tries.insert(request, id);
                        }
                        None => self.router.handle_failure(id, self.clock.now()),
                    }
                }
                Transmit::Outcome { exchange, outcome } => {
                    if let Some(channel) = self.exchanges.remove(&exchange) {
                        // An outcome that nobody waits for is reported as an inbound failure.
                        let _ = self.inner.send_response(channel, Response::Outgoing(outcome));
                    }
                }
            }
        }
        while let Some(event) = self.router.poll_event() {
            self.pending.extend(translate(event).map(ToSwarm::GenerateEvent));
        }
    }

    /// Does what is due; returns whether there was anything. Otherwise the timer wakes the task.
    fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.now();
        let Some(due) = self.router.poll_timeout() else {
            self.timer = None;
            return false;
        };
        if due <= now.instant {
            self.router.handle_timeout(now);
            return true;
        }
        let mut timer = Box::pin(tokio::time::sleep(due.since(now.instant)));
        let over = timer.as_mut().poll(cx).is_ready();
        self.timer = Some(timer);
        over
    }

    fn connected(&mut self, peer: PeerId) {
        if let Some(key) = key_of(&peer) {
            self.connected.insert(key, peer);
            self.router.neighbour_up(key, self.clock.now());
            self.wake();
        }
    }

    fn disconnected(&mut self, peer: &PeerId) {
        self.deaf.remove(peer);
        if let Some(key) = key_of(peer) {
            self.connected.remove(&key);
            self.router.neighbour_down(&key, self.clock.now());
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The router's event with peer ids; `None` if libp2p does not take a key.
fn translate(event: routing::Event) -> Option<Event> {
    Some(match event {
        routing::Event::Answered { packet, destination, hops, envelope } => {
            let peer = peer_id_of(&destination)?;
            Event::Answered { packet, peer, hops, envelope: envelope.into() }
        }
        routing::Event::Failed { packet, destination, refusal } => {
            Event::Failed { packet, peer: peer_id_of(&destination)?, refusal }
        }
        routing::Event::Arrived { arrival, origin, neighbour, envelope } => Event::Arrived {
            arrival,
            origin: peer_id_of(&origin)?,
            neighbour: peer_id_of(&neighbour)?,
            envelope: envelope.into(),
        },
    })
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
