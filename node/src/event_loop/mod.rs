//! The event loop: it owns the swarm and everything the node knows, and never blocks. Cryptography
//! happens in the links' tasks, disk writes on blocking threads.
//!
//! Priorities, highest first: what is due by time (callers must not wait longer than they asked), what the
//! disk says, listeners, the network, then commands. After [`NETWORK_BURST`] network events in a row commands get a turn,
//! so that a busy network does not lock the operator out.

mod asks;
mod bootstrap;
mod commands;
mod connecting;
pub(crate) mod delivery;
mod dials;
mod hops;
mod incoming;
mod legacy;
mod links;
mod listen;
mod mailbox;
mod metrics;
mod netcheck;
mod outgoing;
mod parked;
mod path;
pub(crate) mod reachability;
pub(crate) mod redial;
mod registry;
mod remembered;
mod shutdown;
mod spare;
mod status;
mod transfers;
mod versions;
mod wake;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{PeerId, identify};
use peer_behaviours::Clock;
use peer_behaviours::boxed::Boxed;
use peer_behaviours::routing::{self, Shuttle};
use peer_protocol::id::MessageId;
use peer_protocol::identity::Identity;
use peer_protocol::time::Instant;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

pub(crate) use self::delivery::{Delivery, Resuming};
pub(crate) use self::legacy::{LegacyAdmission, translate};
pub(crate) use self::mailbox::MailState;
pub(crate) use self::registry::RegistryState;
pub(crate) use self::transfers::TransferState;

use self::asks::{Asks, Connecting};
use self::bootstrap::Anonymous;
use self::dials::Dials;
use self::legacy::ForeignIds;
use self::metrics::Measured;
use self::parked::Parked;
use self::reachability::Reachability;
use self::remembered::Remembered;
use self::wake::WakeState;
use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::config::NodeConfig;
use crate::directory::Directory;
use crate::events::EventSource;
use crate::gateway::Passing;
use crate::handle::Command;
use crate::inbox::Inbox;
use crate::metrics::Metrics;
use crate::trust::SharedTrust;

/// Network events handled in a row before a command gets its turn.
const NETWORK_BURST: u32 = 64;
/// How often deadlines and redials are looked at.
const TICK: Duration = Duration::from_millis(50);
/// The request–response protocols, as identify lists them.
const SECURE: &str = "/peer/1.1.0";
const LEGACY: &str = "/peer/1.0.0";

/// What an event loop is made of.
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Identity,
    pub(crate) swarm: Swarm<Boxed<Behaviour>>,
    pub(crate) trust: Arc<SharedTrust>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Inbox,
    pub(crate) delivery: Delivery,
    pub(crate) registry: RegistryState,
    pub(crate) transfers: TransferState,
    pub(crate) mail: MailState,
    pub(crate) passing: Option<Passing>,
    pub(crate) metrics: Metrics,
    pub(crate) commands: mpsc::Receiver<Command>,
}

/// The state of a running node.
pub(crate) struct EventLoop {
    config: NodeConfig,
    identity: Identity,
    swarm: Swarm<Boxed<Behaviour>>,
    trust: Arc<SharedTrust>,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    started: Instant,
    agent_seen: Option<Instant>,
    directory: Directory,
    inbox: Inbox,
    delivery: Delivery,
    events: EventSource,
    /// How many agents listeners were last told of.
    agents_told: usize,
    asks: Asks,
    connecting: Vec<Connecting>,
    bootstrap: Vec<Anonymous>,
    /// Dials under way, and second tries that wait.
    dials: Dials,
    /// Good peers of earlier runs.
    remembered: Remembered,
    reach: Reachability,
    listeners: Vec<ListenerId>,
    /// Whether the node is shutting down: nothing new is begun.
    stopping: bool,
    /// Between links and the packets that carry their envelopes.
    shuttle: Shuttle,
    /// How many hops peers were away that answered over some.
    routes: HashMap<PeerId, u8>,
    /// What version 1.0 peers call their messages.
    foreign: ForeignIds,
    /// Messages for peers of which it is not known what they speak.
    parked: Parked,
    /// Messages sent whose fate is not known yet; shutting down waits for them.
    unsettled: HashSet<MessageId>,
    registry: RegistryState,
    transfers: TransferState,
    mail: MailState,
    /// Takes messages that are passed on between versions 1.0 and 1.1.
    passing: Option<Passing>,
    wake: WakeState,
    measured: Measured,
    /// When all peers are next looked at.
    walk_at: Instant,
    /// When unused buffers next go back to the allocator.
    give_back_at: Instant,
    commands: mpsc::Receiver<Command>,
}

impl EventLoop {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            config,
            identity,
            swarm,
            trust,
            clock,
            inbox,
            delivery,
            registry,
            transfers,
            mail,
            passing,
            metrics,
            commands,
        } = parts;
        let started = clock.now().instant;
        let events = EventSource::new();
        trust.tell_to(events.clone());
        Self {
            reach: Reachability::new(&config),
            wake: WakeState::new(&config),
            directory: Directory::for_connections(config.max_connections()),
            config,
            identity,
            swarm,
            trust,
            clock,
            rng: rand::make_rng(),
            started,
            agent_seen: None,
            inbox,
            delivery,
            events,
            agents_told: 0,
            asks: Asks::default(),
            connecting: Vec::new(),
            bootstrap: Vec::new(),
            dials: Dials::default(),
            remembered: Remembered::default(),
            listeners: Vec::new(),
            stopping: false,
            shuttle: Shuttle::default(),
            routes: HashMap::new(),
            foreign: ForeignIds::default(),
            parked: Parked::default(),
            unsettled: HashSet::new(),
            registry,
            transfers,
            mail,
            passing,
            measured: Measured::new(metrics),
            walk_at: started,
            give_back_at: started,
            commands,
        }
    }

    /// Where the node's events come from.
    pub(crate) fn events(&self) -> EventSource {
        self.events.clone()
    }

    /// Runs until it is told to stop, or no handle is left.
    pub(crate) async fn run(&mut self) {
        self.begin_measuring();
        self.resume_contents();
        self.end_interrupted();
        self.keep_gateway_peers();
        self.keep_bootstrap_peers();
        self.keep_mailbox_nodes();
        self.begin_registering();
        self.announce_external();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut burst = 0;
        let stopped: Option<oneshot::Sender<()>> = loop {
            let network_first = burst < NETWORK_BURST;
            tokio::select! {
                biased;
                due = tick.tick() => self.tick(due),
                news = self.delivery.news() => self.on_news(news),
                handed = std::future::poll_fn(|cx| self.inbox.poll_hand_over(cx)) => {
                    self.on_handed(handed);
                }
                event = self.swarm.select_next_some(), if network_first => {
                    burst += 1;
                    self.on_swarm_event(event);
                }
                command = self.commands.recv() => {
                    burst = 0;
                    match command {
                        Some(Command::Shutdown(reply)) => break Some(reply),
                        Some(command) => self.on_command(command),
                        None => break None,
                    }
                }
                Some(output) = self.transfers.next() => {
                    burst = 0;
                    self.on_transfer_output(output);
                }
                Some(output) = self.mail.next() => {
                    burst = 0;
                    self.on_mailbox_output(output);
                }
                Some(report) = self.wake.next() => {
                    burst = 0;
                    self.on_wake_report(&report);
                }
                () = std::future::ready(()), if !network_first => burst = 0,
            }
        };
        self.shut_down().await;
        if let Some(stopped) = stopped {
            // Whoever asked may be gone already.
            let _ = stopped.send(());
        }
    }

    fn tick(&mut self, due: tokio::time::Instant) {
        self.metrics().lag(due.elapsed());
        let now = self.clock.now().instant;
        for ask in self.asks.timed_out(now) {
            self.ask_timed_out(ask);
        }
        self.tick_delivery(now);
        self.tick_parked(now);
        self.tick_connecting(now);
        self.tick_registry(now);
        self.tick_mailbox(now);
        self.tick_transfers();
        self.tell_agents();
        self.tick_wake(now);
        self.tick_metrics(now);
        self.tick_spare(now);
        if !self.stopping {
            self.tick_bootstrap(now);
            self.dial_again(now);
            self.dial_remembered(now);
            self.tick_reachability(now);
            self.tick_peers(now);
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.measured.take_in(&event);
        if self.watch(&event) {
            return;
        }
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Secure(event)) => self.on_secure(event),
            SwarmEvent::Behaviour(BehaviourEvent::Routing(event)) => self.on_routing(event),
            SwarmEvent::Behaviour(BehaviourEvent::Legacy(event)) => self.on_legacy(event),
            SwarmEvent::Behaviour(BehaviourEvent::Registry(event)) => self.on_registry(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.on_identified(peer_id, info),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %self.directory.name(&peer_id), ?cause, "connection closed");
                self.on_disconnected(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_dial_failed(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener failed"),
            // Those over relays come and go, and when the node stops all do.
            SwarmEvent::ListenerClosed { listener_id, addresses, reason }
                if self.listeners.contains(&listener_id) && !self.stopping =>
            {
                tracing::warn!(?addresses, ?reason, "listener closed");
            }
            _ => {}
        }
    }

    /// What a peer says of itself: which protocols it speaks, and where it listens.
    fn on_identified(&mut self, id: PeerId, info: identify::Info) {
        let speaks = |name: &str| info.protocols.iter().any(|protocol| protocol.as_ref() == name);
        let carries = speaks(routing::PROTOCOL.as_ref());
        self.swarm.behaviour_mut().routing.set_speaks(&id, carries);
        let Some(peer) = self.directory.entry(id) else { return };
        let before = peer.protocol;
        peer.identified = true;
        peer.protocol = Some(if speaks(SECURE) {
            "1.1"
        } else if speaks(LEGACY) {
            "1.0"
        } else {
            "none"
        });
        let reach = &self.reach;
        peer.hear(id, info.listen_addrs, |relay, said| reach.relay_at(relay, said));
        let (first, second) = peer.dialable();
        if speaks(registry::PROTOCOL.as_ref()) {
            self.on_registry_peer(id, first.into_iter().chain(second));
        }
        self.on_version(id, before);
    }
}
