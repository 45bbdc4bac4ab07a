//! Version 1.1 over libp2p: handshakes and encrypted messages on `/peer/1.1.0`
//! (`docs/PROTOCOL.md` §14).
//!
//! The behaviour only moves things: from the carrier to the link of the peer concerned, and back.
//! Links live in tasks of their own, which need a tokio runtime. Sealed envelopes mostly pass the
//! behaviour by: they travel on streams that belong to those tasks.

mod alarm;
mod awake;
mod carrier;
pub(crate) mod codec;
mod connections;
mod doorman;
mod driver;
mod durable;
pub(crate) mod gate;
mod hops;
mod inputs;
mod outputs;
mod peers;
mod routed;
pub(crate) mod stream;
mod streams;
mod swarm;
mod traffic;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::{ConnectionHandler, ConnectionId, THandler, THandlerInEvent, ToSwarm};
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{EntityId, TrustView};
use peer_protocol::limits::NONCE_LIFETIME;
use peer_protocol::link::{self, Ended, Link, LinkConfig};
use peer_protocol::message::Message;
use peer_protocol::time::Instant;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Interval, MissedTickBehavior, Sleep, interval_at};

pub(crate) use self::carrier::is_refusal;
pub use self::durable::{NoDisk, Resumes, Unreadable};
pub use self::gate::GateConfig;
pub use self::hops::{HopRefusal, Hops, RoutedId};
pub use self::peers::{key_of, peer_id_of};

use self::awake::Awake;
use self::carrier::{Carrier, Inner};
use self::connections::Connections;
use self::doorman::Doorman;
use self::driver::{Driver, Input, Reach, Work};
use self::durable::{Durable, Notice};
use self::gate::Gate;
use self::inputs::inputs;
use self::outputs::{OutputSender, Outputs, outputs};
use self::peers::{Peer, Peers};
use self::routed::Routed;
use self::stream::Streams;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::keep_alive::KeepAlive;

/// Most peers with a link at once.
const MAX_PEERS: usize = 4096;
/// A link is forgotten when there was neither a way to its peer nor anything for it in so much time, and
/// at the latest after twice as much. No envelope that it has seen is taken again by then (§2.6).
const FORGOTTEN_AFTER: Duration = NONCE_LIFETIME;

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
    /// Something has to go over hops; see [`Behaviour::set_hops`].
    Hops(Hops),
    /// Its link was forgotten, to make room or for want of use, and with it the ordered messages that were
    /// handed over.
    Forgotten,
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
    budget: Budget,
    /// Whether session streams are opened and accepted.
    streams: bool,
    awake: Awake,
    gate: Gate,
    doorman: Doorman,
    disk: Arc<dyn Resumes>,
    connections: Connections,
    /// Made when there is something to say, or to answer.
    peers: Peers,
    outputs: Outputs,
    outputs_sender: OutputSender,
    /// For [`Connections::next_choice`].
    timer: Option<Pin<Box<Sleep>>>,
    /// When links are next looked for that nobody needs.
    forgetting: Option<Interval>,
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
        let (outputs_sender, outputs) = outputs();
        let own = peer_id_of(config.handshake.identity.public_key());
        Self {
            connections: Connections::new(own, config.unresponsive_after),
            config: Arc::new(config),
            trust,
            clock,
            carrier: Carrier::new(),
            budget: Budget::default(),
            streams: true,
            awake: Awake::default(),
            gate: Gate::new(gate),
            doorman: Doorman::default(),
            disk: Arc::new(NoDisk),
            peers: Peers::new(MAX_PEERS),
            timer: None,
            forgetting: None,
            outputs,
            outputs_sender,
            pending: VecDeque::new(),
            waker: None,
        }
    }

    /// Lets there be at most so many peers with a link at once.
    #[must_use]
    pub fn with_max_peers(mut self, most: usize) -> Self {
        self.peers.set_most(most);
        self
    }

    /// Speaks `/peer/1.1.0` only. Peers notice nothing but that it is slower.
    #[must_use]
    pub const fn without_streams(mut self) -> Self {
        self.streams = false;
        self
    }

    /// Whether to keep the runtime awake for 300 µs after each message, in which it takes all the time
    /// that one processor has: answers that come soon are seen sooner. To be called within the runtime.
    #[must_use]
    pub fn with_low_latency(mut self, on: bool) -> Self {
        self.awake = if on { Awake::start() } else { Awake::default() };
        self
    }

    /// Lets links ask `disk` what is known there of their peers' messages. Without it nothing is.
    #[must_use]
    pub fn with_disk(mut self, disk: Arc<dyn Resumes>) -> Self {
        self.disk = disk;
        self
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

    /// Hands ordered messages to the link with `peer`; see [`Link::hand`]. It keeps them until they are
    /// withdrawn, acknowledged, or it is [`EventKind::Forgotten`].
    ///
    /// # Errors
    /// [`SendError`] if there can be no link.
    pub fn hand(&mut self, peer: PeerId, messages: Vec<Message>) -> Result<(), SendError> {
        self.peer(peer)?.notify(Notice::Hand(messages));
        Ok(())
    }

    /// Takes ordered messages of `peer` in that were fetched from a mailbox, where it signed them as
    /// `sender`.
    ///
    /// # Errors
    /// [`SendError`] if there is no room for another link, or the peer's key is of another kind.
    pub fn take_mail(
        &mut self,
        peer: PeerId,
        sender: EntityId,
        messages: Vec<Message>,
    ) -> Result<(), SendError> {
        self.peer(peer)?.notify(Notice::Mail(Box::new((sender, messages))));
        Ok(())
    }

    /// Whether there is a link with `peer`.
    #[must_use]
    pub fn has_link(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some()
    }

    /// Takes ordered messages back from the link with `peer`; see [`Link::withdraw`].
    pub fn withdraw(&mut self, peer: &PeerId, ids: Vec<MessageId>) {
        self.notify(peer, Notice::Withdraw(ids));
    }

    /// Messages that came with [`link::Event::Ordered`] are on disk; see [`Link::stored`].
    pub fn stored(&mut self, peer: &PeerId, ids: Vec<MessageId>) {
        self.notify(peer, Notice::Stored(ids));
    }

    /// Messages that came with [`link::Event::Ordered`] could not be written; see [`Link::not_stored`].
    pub fn not_stored(&mut self, peer: &PeerId, ids: Vec<MessageId>) {
        self.notify(peer, Notice::NotStored(ids));
    }

    /// The agent took messages, and that is on disk; see [`Link::processed`]. Without a link the peer
    /// is told when there is one: what is owed is on disk.
    pub fn processed(&mut self, peer: &PeerId, ids: Vec<MessageId>) {
        self.notify(peer, Notice::Processed(ids));
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

    /// Messages to `peer` whose fate is not known yet.
    #[must_use]
    pub fn unsettled(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, Peer::unsettled)
    }

    /// Whether there is a connection to `peer`.
    #[must_use]
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.connections.is_connected(peer)
    }

    /// The connections to `peer`, the oldest first.
    pub fn connections(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        self.connections.ids(peer)
    }

    fn notify(&mut self, peer: &PeerId, notice: Notice) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.notify(notice);
        }
    }

    fn offer(&mut self, peer: PeerId, input: Input) -> Result<(), SendError> {
        let peer = self.peer(peer)?;
        if peer.offer(input) { Ok(()) } else { Err(SendError::Busy) }
    }

    /// The peer's entry, made now if there is none.
    fn peer(&mut self, id: PeerId) -> Result<&mut Peer, SendError> {
        if self.peers.touch(&id).is_none() {
            let key = key_of(&id).ok_or(SendError::ForeignKey)?;
            self.make_room()?;
            let mut peer = self.start(id, key);
            peer.set_direct(self.connections.is_connected(&id));
            self.peers.insert(id, peer);
        }
        self.peers.get_mut(&id).ok_or(SendError::Busy)
    }

    /// Starts a link.
    fn start(&self, id: PeerId, key: PublicKey) -> Peer {
        let rng = Box::new(rand::make_rng::<StdRng>());
        let link = Link::new(Arc::clone(&self.config), Arc::clone(&self.trust), key, rng);
        let (inputs, inputs_receiver) = inputs();
        let (reach, reach_receiver) = watch::channel(Reach::default());
        let routed = Routed::new(Arc::clone(&self.config), key);
        let (notices, notices_receiver) = mpsc::unbounded_channel();
        let durable = Durable::new(key, Arc::clone(&self.disk), notices_receiver);
        let streams = Streams::new(self.budget.clone());
        let clock = Arc::clone(&self.clock);
        let work = Box::new(Work::new(link, routed, clock, inputs_receiver, durable, streams));
        let (outputs, awake) = (self.outputs_sender.clone(), self.awake.clone());
        let driver = Driver { peer: id, reach: reach_receiver, outputs, awake, work };
        tokio::spawn(driver.run());
        Peer::new(key, inputs, notices, reach)
    }

    fn make_room(&mut self) -> Result<(), SendError> {
        if !self.peers.is_crowded(self.connections.len()) {
            return Ok(());
        }
        let connections = &self.connections;
        let evicted = self.peers.evict(|id| connections.is_connected(id), self.trust.as_ref());
        let Some((peer, state)) = evicted else {
            return if self.peers.is_full() { Err(SendError::Busy) } else { Ok(()) };
        };
        tracing::debug!(%peer, "its link is forgotten, to make room");
        for id in state.sessions {
            let kind = EventKind::Link(link::Event::SessionEnded { id, why: Ended::Closed });
            self.pending.push_back(ToSwarm::GenerateEvent(Event { peer, kind }));
        }
        self.tell_forgotten(peer);
        self.wake();
        Ok(())
    }

    /// Forgets links that nobody needs, when it is time for that. Returns whether there were any.
    fn forget_idle(&mut self, cx: &mut Context<'_>) -> bool {
        let timer = self.forgetting.get_or_insert_with(|| {
            let mut timer = interval_at(time::Instant::now() + FORGOTTEN_AFTER, FORGOTTEN_AFTER);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer
        });
        if timer.poll_tick(cx).is_pending() {
            return false;
        }
        for peer in self.peers.forget_idle() {
            tracing::debug!(%peer, "its link is forgotten: it has been away");
            self.tell_forgotten(peer);
        }
        true
    }

    fn tell_forgotten(&mut self, peer: PeerId) {
        let event = Event { peer, kind: EventKind::Forgotten };
        self.pending.push_back(ToSwarm::GenerateEvent(event));
    }

    fn handler(&self, peer: &PeerId, inner: THandler<Inner>) -> THandler<Self> {
        let keep = self.peers.get(peer).is_some_and(|peer| !peer.sessions.is_empty());
        let streams = stream::Handler::new(self.streams);
        KeepAlive::new(ConnectionHandler::select(inner, streams), keep)
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
