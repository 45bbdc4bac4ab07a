//! Version 1.1 over libp2p: handshakes and encrypted messages on `/peer/1.1.0`
//! (`docs/PROTOCOL.md` §14).
//!
//! The behaviour only moves things: from the carrier to the link of the peer concerned, and back.
//! Links live in tasks of their own, which need a tokio runtime.

mod carrier;
mod codec;
mod driver;
pub(crate) mod gate;
mod peers;
mod swarm;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use libp2p_core::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p_swarm::{
    CloseConnection, ConnectionId, NotifyHandler, THandler, THandlerInEvent, ToSwarm,
};
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::identity::TrustView;
use peer_protocol::link::{self, ExchangeId, Link, LinkConfig, Transmit};
use peer_protocol::message::Message;
use peer_protocol::time::Instant;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub use self::gate::GateConfig;
pub use self::peers::{key_of, peer_id_of};

use self::carrier::{Arrival, Carrier, Inner};
use self::driver::{Driver, Input, Output, Reach};
use self::gate::{Gate, Prefix};
use self::peers::{INPUTS, Peer};
use crate::clock::Clock;
use crate::keep_alive::{FromBehaviour, KeepAlive};

/// Most peers with a link at once; of idle ones the oldest goes first.
const MAX_PEERS: usize = 4096;
/// Places in the channel from links to the behaviour.
const OUTPUTS: usize = 1024;

/// Something about one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The peer.
    pub peer: PeerId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// Its link has something to tell.
    Link(link::Event),
    /// It does not speak version 1.1.
    Unsupported,
}

/// Why a peer cannot be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// Its peer id is not that of an Ed25519 key.
    #[error("the peer id is not that of an Ed25519 key")]
    ForeignKey,
    /// Its link is busy, or there are too many peers.
    #[error("too much is under way; try again")]
    Busy,
}

/// The behaviour.
pub struct Behaviour {
    config: Arc<LinkConfig>,
    trust: Arc<dyn TrustView>,
    clock: Arc<dyn Clock>,
    carrier: Carrier,
    gate: Gate,
    peers: HashMap<PeerId, Peer>,
    outputs: mpsc::Receiver<(PeerId, Output)>,
    outputs_sender: mpsc::Sender<(PeerId, Output)>,
    /// At most one entry per connection and per input; drained by every poll.
    pending: VecDeque<ToSwarm<Event, THandlerInEvent<Self>>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A behaviour for the entity of `config`.
    #[must_use]
    pub fn new(
        config: LinkConfig,
        gate: GateConfig,
        trust: Arc<dyn TrustView>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (outputs_sender, outputs) = mpsc::channel(OUTPUTS);
        Self {
            config: Arc::new(config),
            trust,
            clock,
            carrier: Carrier::new(),
            gate: Gate::new(gate),
            peers: HashMap::new(),
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
        self.offer(peer, Input::Open)
    }

    /// Sends a message to `peer`; what becomes of it follows as events.
    ///
    /// # Errors
    /// [`SendError`] if it was not taken.
    pub fn send(
        &mut self,
        peer: PeerId,
        message: Message,
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.offer(peer, Input::Send(message, deadline))
    }

    /// Closes the session with `peer`.
    pub fn close(&mut self, peer: &PeerId, reason: &str) {
        if let Some(peer) = self.peers.get(peer) {
            peer.deliver(Input::Close(reason.to_owned()));
        }
    }

    /// Closes all sessions, for shutting down.
    pub fn close_all(&mut self, reason: &str) {
        for peer in self.peers.values() {
            peer.deliver(Input::Close(reason.to_owned()));
        }
    }

    /// Whether there is a connection to `peer`.
    #[must_use]
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.connections.is_empty())
    }

    fn offer(&mut self, peer: PeerId, input: Input) -> Result<(), SendError> {
        let peer = self.peer(peer)?;
        if peer.offer(input) { Ok(()) } else { Err(SendError::Busy) }
    }

    /// The peer's entry, made now if there is none.
    fn peer(&mut self, id: PeerId) -> Result<&mut Peer, SendError> {
        if !self.peers.contains_key(&id) {
            let key = key_of(&id).ok_or(SendError::ForeignKey)?;
            self.make_room()?;
            let rng = Box::new(rand::make_rng::<StdRng>());
            let link = Link::new(Arc::clone(&self.config), Arc::clone(&self.trust), key, rng);
            let (inputs, inputs_receiver) = mpsc::channel(INPUTS);
            let (reach, reach_receiver) = watch::channel(Reach::default());
            let driver = Driver {
                peer: id,
                link,
                clock: Arc::clone(&self.clock),
                inputs: inputs_receiver,
                reach: reach_receiver,
                outputs: self.outputs_sender.clone(),
            };
            tokio::spawn(driver.run());
            self.peers.insert(id, Peer::new(inputs, reach));
        }
        self.peers.get_mut(&id).ok_or(SendError::Busy)
    }

    fn make_room(&mut self) -> Result<(), SendError> {
        if self.peers.len() < MAX_PEERS {
            return Ok(());
        }
        let idle = self.peers.iter().find(|(_, peer)| peer.is_idle()).map(|(id, _)| *id);
        let idle = idle.ok_or(SendError::Busy)?;
        self.peers.remove(&idle);
        Ok(())
    }

    fn on_arrival(&mut self, peer: PeerId, connection: ConnectionId, arrival: Arrival) {
        let now = self.clock.now().instant;
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.suspects.remove(&connection);
        match arrival {
            Arrival::Request { exchange, envelope } => {
                let prefix = state.connections.get(&connection).copied().unwrap_or(Prefix::Other);
                self.on_request(peer, prefix, exchange, envelope, now);
            }
            Arrival::Answer { id, bytes } => state.deliver(Input::Answer(id, bytes)),
            Arrival::Failed { id } => state.deliver(Input::Failed(id)),
            Arrival::Unsupported { id } => {
                state.deliver(Input::Failed(id));
                let event = Event { peer, kind: EventKind::Unsupported };
                self.pending.push_back(ToSwarm::GenerateEvent(event));
            }
        }
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        prefix: Prefix,
        exchange: ExchangeId,
        envelope: Result<Envelope, EnvelopeError>,
        now: Instant,
    ) {
        let input = match envelope {
            Ok(envelope) if envelope.header().kind.starts_handshake() => {
                match self.gate.admit(prefix, now) {
                    Ok(()) => Input::Request(exchange, Ok(envelope)),
                    Err(limited) => Input::Refuse(exchange, envelope, limited),
                }
            }
            envelope => Input::Request(exchange, envelope),
        };
        let taken = self.peers.get(&peer).is_some_and(|state| state.offer(input));
        if !taken {
            // The peer's request fails at once, and it tries again later.
            let _ = self.carrier.transmit(peer, Transmit::Drop { exchange });
        }
    }

    fn on_output(&mut self, peer: PeerId, output: Output) {
        match output {
            Output::Transmit(transmit) => {
                if let Err(id) = self.carrier.transmit(peer, transmit)
                    && let Some(state) = self.peers.get(&peer)
                {
                    state.deliver(Input::Failed(id));
                }
            }
            Output::Event(event) => {
                self.note(peer, &event);
                let event = Event { peer, kind: EventKind::Link(event) };
                self.pending.push_back(ToSwarm::GenerateEvent(event));
            }
        }
    }

    /// Keeps connections open while there is a session, and remembers which ones are suspect.
    fn note(&mut self, peer: PeerId, event: &link::Event) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let before = state.sessions.is_empty();
        match event {
            link::Event::SessionReady(info) => {
                state.sessions.insert(info.id);
            }
            link::Event::SessionEnded { id, .. } => {
                state.sessions.remove(id);
            }
            link::Event::Unresponsive => {
                state.suspects = state.connections.keys().copied().collect();
            }
            _ => {}
        }
        let after = state.sessions.is_empty();
        if before != after {
            for connection in state.connections.keys() {
                self.pending.push_back(ToSwarm::NotifyHandler {
                    peer_id: peer,
                    handler: NotifyHandler::One(*connection),
                    event: FromBehaviour::Keep(!after),
                });
            }
        }
    }

    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let ConnectionEstablished { peer_id, connection_id, endpoint, .. } = event;
        let prefix = Prefix::of(endpoint.get_remote_address());
        let Ok(state) = self.peer(peer_id) else { return };
        state.connection_opened(connection_id, prefix);
        // A fresh connection takes the place of those that went silent.
        for connection in std::mem::take(&mut state.suspects) {
            self.pending.push_back(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            });
        }
        self.wake();
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        if let Some(state) = self.peers.get_mut(&event.peer_id) {
            state.connection_closed(event.connection_id);
        }
    }

    fn handler(&self, peer: &PeerId, inner: THandler<Inner>) -> THandler<Self> {
        let keep = self.peers.get(peer).is_some_and(|peer| !peer.sessions.is_empty());
        KeepAlive::new(inner, keep)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}
