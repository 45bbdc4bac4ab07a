//! Version 1.0 over libp2p: signed JSON without end-to-end encryption, on `/peer/1.0.0`
//! (`docs/PROTOCOL.md` §13).
//!
//! As in [`crate::secure`], the behaviour only moves things, and each peer's state lives in a task of
//! its own, which needs a tokio runtime. A peer gets one as soon as version 1.0 is spoken with it.
//!
//! Version 1.0 is for peers that know nothing better. [`Behaviour::demand_encryption`] rules it out
//! for a peer that does, for as long as the process runs.

mod calls;
mod carrier;
pub(crate) mod codec;
mod config;
mod courier;
mod driver;
mod event;
mod link;
mod links;
mod peers;
mod swarm;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use hashlink::LruCache;
use libp2p_core::PeerId;
use libp2p_swarm::{ConnectionId, StreamProtocol, THandlerInEvent, ToSwarm};
use peer_protocol::crypto::PublicKey;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::identity::TrustView;
use peer_protocol::legacy::{Message, MessageError};
use peer_protocol::limits::MAX_SEEN_ENTITIES;
use peer_protocol::link::{ExchangeId, RequestId, Transmit};
use peer_protocol::message::ErrorReport;
use peer_protocol::rate_limit::{RateClass, RateLimited};
use peer_protocol::time::{Instant, Timestamp};
use tokio::sync::mpsc;

pub use self::config::{Admission, AdmitAll, Config};
pub use self::courier::{Call, Carried, CarryError, Courier, Terms};
pub use self::event::{Event, EventKind, Outgoing, SendError, SessionInfo};
pub use self::link::refusal;

use self::calls::Calls;
use self::carrier::{Arrival, Carrier};
use self::driver::{Input, Output};
use self::link::Way;
use self::peers::Peer;
use crate::clock::Clock;
use crate::prefix::Prefix;
use crate::secure::gate::Gate;
use crate::secure::key_of;

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/1.0.0");

/// Places in the channel from links to the behaviour.
const OUTPUTS: usize = 512;
/// What a refused peer is told.
const REQUIRED: &str =
    "version 1.0 does not encrypt, and encryption is required: speak version 1.1";

/// The behaviour.
pub struct Behaviour {
    config: Arc<Config>,
    trust: Arc<dyn TrustView>,
    clock: Arc<dyn Clock>,
    carrier: Carrier,
    calls: Calls,
    gate: Gate,
    peers: HashMap<PeerId, Peer>,
    links: usize,
    uses: u64,
    /// Since when nonces are remembered.
    started: Timestamp,
    /// Peers that speak version 1.1; the one seen least recently is forgotten first.
    barred: LruCache<PeerId, ()>,
    outputs: mpsc::Receiver<(PeerId, Output)>,
    outputs_sender: mpsc::Sender<(PeerId, Output)>,
    /// At most one entry per connection and per input; drained by every poll.
    pending: VecDeque<ToSwarm<Event, THandlerInEvent<Self>>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A behaviour for the entity of `config`.
    #[must_use]
    pub fn new(config: Config, trust: Arc<dyn TrustView>, clock: Arc<dyn Clock>) -> Self {
        let (outputs_sender, outputs) = mpsc::channel(OUTPUTS);
        Self {
            gate: Gate::new(config.gate),
            calls: Calls::new(config.courier.clone()),
            started: clock.now().timestamp,
            config: Arc::new(config),
            trust,
            clock,
            carrier: Carrier::new(),
            peers: HashMap::new(),
            links: 0,
            uses: 0,
            barred: LruCache::new(MAX_SEEN_ENTITIES),
            outputs,
            outputs_sender,
            pending: VecDeque::new(),
            waker: None,
        }
    }

    /// Opens a session with `peer` as soon as there is a connection, if there is none.
    ///
    /// # Errors
    /// [`SendError`] says why it cannot be tried.
    pub fn open(&mut self, peer: PeerId) -> Result<(), SendError> {
        self.check_allowed(&peer)?;
        self.offer(peer, Input::Open)
    }

    /// Sends a message to `peer`, once there is a session; what becomes of it follows as
    /// [`EventKind::Delivered`] or [`EventKind::Failed`]. A message goes out at most once.
    ///
    /// # Errors
    /// [`SendError`] if it was not taken.
    pub fn send(
        &mut self,
        peer: PeerId,
        message: Outgoing,
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.check_allowed(&peer)?;
        self.offer(peer, Input::Send(message, deadline))?;
        if let Some(link) = self.link_of(&peer) {
            link.unsettled += 1;
        }
        Ok(())
    }

    /// Forgets the session with `peer`.
    pub fn close(&mut self, peer: &PeerId) {
        if let Some(link) = self.link_of(peer) {
            link.deliver(Input::Close);
        }
    }

    /// Forgets all sessions, for shutting down.
    pub fn close_all(&mut self) {
        for link in self.peers.values().filter_map(|peer| peer.link.as_ref()) {
            link.deliver(Input::Close);
        }
    }

    /// The peer speaks version 1.1: from now on version 1.0 with it is refused with
    /// `ENCRYPTION_REQUIRED`, in both directions.
    pub fn demand_encryption(&mut self, peer: PeerId) {
        if self.barred.insert(peer, ()).is_none()
            && let Some(link) = self.link_of(&peer)
        {
            link.deliver(Input::Bar(ErrorCode::EncryptionRequired, REQUIRED));
        }
    }

    /// Whether version 1.0 with `peer` is refused.
    #[must_use]
    pub fn demands_encryption(&self, peer: &PeerId) -> bool {
        self.config.require_encryption || self.barred.contains_key(peer)
    }

    /// Takes a request that came otherwise than over libp2p. Its answer follows, unless there is none.
    pub fn call(&mut self, call: Call) {
        let Call { peer, from, message, answer } = call;
        let exchange = self.calls.open(peer, answer);
        self.on_request(peer, exchange, (Way::Call, Prefix::of_ip(from)), Ok(message));
        self.wake();
    }

    /// The key of the peer that has a session of this id, or was just offered one.
    #[must_use]
    pub fn session_key(&self, session: SessionId) -> Option<PublicKey> {
        let knows = |peer: &Peer| peer.link.as_ref().is_some_and(|link| link.knows(session));
        self.peers.iter().find(|(_, peer)| knows(peer)).and_then(|(id, _)| key_of(id))
    }

    fn check_allowed(&self, peer: &PeerId) -> Result<(), SendError> {
        if self.demands_encryption(peer) { Err(SendError::EncryptionRequired) } else { Ok(()) }
    }

    fn on_arrival(&mut self, peer: PeerId, connection: ConnectionId, arrival: Arrival) {
        match arrival {
            Arrival::Request { exchange, message } => {
                let connections = self.peers.get(&peer).map(|peer| &peer.connections);
                let prefix = connections.and_then(|known| known.get(&connection)).copied();
                let from = (Way::Connection, prefix.unwrap_or(Prefix::Other));
                self.on_request(peer, exchange, from, message);
            }
            Arrival::Answer { id, bytes } => self.report(peer, Input::Answer(id, bytes)),
            Arrival::Failed { id } => self.report(peer, Input::Failed(id)),
            Arrival::Unsupported { id } => {
                self.report(peer, Input::Unsent(id));
                let event = Event { peer, kind: EventKind::Unsupported };
                self.pending.push_back(ToSwarm::GenerateEvent(event));
            }
        }
    }

    fn report(&mut self, peer: PeerId, input: Input) {
        if let Some(link) = self.link_of(&peer) {
            link.deliver(input);
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        exchange: ExchangeId,
        (way, prefix): (Way, Prefix),
        message: Result<Box<Message>, MessageError>,
    ) {
        let sender = message.as_ref().ok().map(|message| message.content().sender_id.clone());
        let handshake = message.as_ref().is_ok_and(|m| m.content().msg_type == "handshake");
        let input = if self.demands_encryption(&peer) {
            let report = ErrorReport::new(ErrorCode::EncryptionRequired, REQUIRED);
            Input::Refuse(exchange, sender, report)
        } else if let Err(limited) = self.admit(&peer, prefix, handshake) {
            Input::Refuse(exchange, sender, link::rate_limited(limited))
        } else {
            Input::Request(exchange, way, message)
        };
        if self.offer(peer, input).is_err() {
            // The peer's request fails at once, and it tries again later.
            let _ = self.transmit(peer, Transmit::Drop { exchange });
        }
    }

    /// Limits that no single link sees.
    fn admit(&mut self, peer: &PeerId, prefix: Prefix, handshake: bool) -> Result<(), RateLimited> {
        if !handshake {
            return Ok(());
        }
        let admitted = self.gate.admit(*peer, prefix, self.clock.now().instant);
        admitted.inspect_err(|_| self.config.limit_hits.count(RateClass::Handshake))
    }

    /// What is for a peer with a connection goes over libp2p.
    fn transmit(&mut self, peer: PeerId, transmit: Transmit) -> Result<(), RequestId> {
        let called = match &transmit {
            Transmit::Request { .. } => {
                let connected = self.peers.get(&peer).is_some_and(|p| !p.connections.is_empty());
                !connected && self.is_by_courier(&peer)
            }
            Transmit::Answer { exchange, .. } | Transmit::Drop { exchange } => {
                Calls::has(*exchange)
            }
        };
        if called {
            self.calls.transmit(peer, transmit)
        } else {
            self.carrier.transmit(peer, transmit)
        }
    }

    fn on_carried(&mut self, peer: PeerId, id: RequestId, carried: Carried) {
        let error = match carried {
            Ok(bytes) => return self.report(peer, Input::Answer(id, bytes)),
            Err(error) => error,
        };
        let reason = error.to_string();
        self.report(
            peer,
            match error {
                CarryError::Unsent { .. } => Input::Unsent(id),
                CarryError::Lost { .. } => Input::Failed(id),
                CarryError::Refused { reason } => {
                    Input::Refused(id, ErrorReport::new(ErrorCode::InvalidState, reason))
                }
            },
        );
        let event = Event { peer, kind: EventKind::Uncarried { reason } };
        self.pending.push_back(ToSwarm::GenerateEvent(event));
    }

    fn on_output(&mut self, peer: PeerId, output: Output) {
        match output {
            Output::Transmit(transmit) => {
                if let Err(id) = self.transmit(peer, transmit) {
                    self.unsent(peer, id);
                }
            }
            Output::Offered(session) => {
                if let Some(link) = self.link_of(&peer) {
                    link.offered = Some(session);
                }
            }
            Output::Event(kind) => {
                self.note(peer, &kind);
                self.pending.push_back(ToSwarm::GenerateEvent(Event { peer, kind }));
            }
        }
    }

    fn unsent(&mut self, peer: PeerId, id: RequestId) {
        self.report(peer, Input::Unsent(id));
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("links", &self.links).finish_non_exhaustive()
    }
}
