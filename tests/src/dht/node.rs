//! An honest node: a swarm with the registry's behaviour, in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, Transport as _, yamux};
use peer_behaviours::registry::{
    Behaviour, Config, Event, LookupId, Mode, PublishId, SearchId, Space, TableStatus,
};
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::registry::{Capability, Key, Lookup, Verified};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::book::{Book, Entity};

/// Connections that nothing uses are closed after this time.
const IDLE: Duration = Duration::from_secs(4);

/// What a lookup brought.
pub(super) struct LookedUp {
    pub(super) lookup: Lookup,
    pub(super) asked: usize,
    pub(super) took: Duration,
}

/// What a search brought.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) found: Vec<Verified>,
    pub(super) rejected: usize,
    pub(super) asked: usize,
    pub(super) took: Duration,
}

enum Command {
    Join(Vec<(PeerId, Multiaddr)>),
    Publish(Bytes, oneshot::Sender<usize>),
    Lookup(Key, oneshot::Sender<LookedUp>),
    Search(Capability, usize, oneshot::Sender<Searched>),
    Table(oneshot::Sender<TableStatus>),
    Neighbours(oneshot::Sender<Vec<PeerId>>),
    Keys(oneshot::Sender<Vec<[u8; 32]>>),
}

/// A node that runs until this is dropped.
pub(super) struct Node {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    commands: mpsc::UnboundedSender<Command>,
    book: Book,
    task: AbortHandle,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.book.serve(self.peer, None);
        self.task.abort();
    }
}

impl Node {
    /// Starts a server.
    pub(super) async fn start(entity: &Entity, book: &Book) -> Self {
        let peer = entity.peer();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut salt = [0; 32];
        salt.iter_mut().zip(peer.to_bytes()).for_each(|(salt, byte)| *salt = byte);
        let mut config = Config::new(clock, salt);
        config.request_timeout = Duration::from_secs(1);
        config.query_timeout = Duration::from_secs(10);
        let mut behaviour = Behaviour::new(peer, config);
        behaviour.set_mode(Mode::Server);
        let mut swarm = swarm(&entity.keypair, behaviour);
        let address = listen(&mut swarm).await;
        book.serve(peer, Some(address.clone()));
        let (commands, to_do) = mpsc::unbounded_channel();
        let task = tokio::spawn(Task::new(swarm, book.clone()).run(to_do)).abort_handle();
        Self { peer, address, commands, book: book.clone(), task }
    }

    /// Learns of these nodes, and of the network through them.
    pub(super) async fn join(&self, known: Vec<(PeerId, Multiaddr)>) {
        let before = self.walks().await;
        self.tell(Command::Join(known));
        while self.walks().await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Publishes a record; returns how many of its keys no other node took.
    pub(super) async fn publish(&self, record: Bytes) -> usize {
        self.ask(|answer| Command::Publish(record, answer)).await
    }

    pub(super) async fn lookup(&self, key: Key) -> LookedUp {
        self.ask(|answer| Command::Lookup(key, answer)).await
    }

    pub(super) async fn search(&self, capability: Capability, wanted: usize) -> Searched {
        self.ask(|answer| Command::Search(capability, wanted, answer)).await
    }

    async fn table(&self) -> TableStatus {
        self.ask(Command::Table).await
    }

    pub(super) async fn neighbours(&self) -> Vec<PeerId> {
        self.ask(Command::Neighbours).await
    }

    /// The keys of records that it keeps, for itself or for others; once.
    pub(super) async fn keys(&self) -> Vec<[u8; 32]> {
        self.ask(Command::Keys).await
    }

    /// Walks that are over; those that refresh the table are one each.
    pub(super) async fn walks(&self) -> u64 {
        let table = self.table().await;
        table.done + table.timed_out
    }

    fn tell(&self, command: Command) {
        assert!(self.commands.send(command).is_ok(), "the node's task is gone");
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (answer, answered) = oneshot::channel();
        self.tell(command(answer));
        answered.await.expect("the node's task answers")
    }
}

struct Task {
    swarm: Swarm<Behaviour>,
    book: Book,
    publications: HashMap<PublishId, oneshot::Sender<usize>>,
    lookups: HashMap<LookupId, oneshot::Sender<LookedUp>>,
    searches: HashMap<SearchId, (oneshot::Sender<Searched>, Vec<Verified>)>,
}

impl Task {
    fn new(swarm: Swarm<Behaviour>, book: Book) -> Self {
        let (publications, lookups, searches) = Default::default();
        Self { swarm, book, publications, lookups, searches }
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => match event {
                    SwarmEvent::Behaviour(event) => self.on_event(event),
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                        if let Some(address) = self.book.server(&peer_id) {
                            self.swarm.behaviour_mut().add_address(peer_id, address);
                        }
                    }
                    _ => {}
                },
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let registry = self.swarm.behaviour_mut();
        match command {
            Command::Join(known) => {
                for (peer, address) in known {
                    registry.add_address(peer, address);
                }
                registry.bootstrap();
            }
            Command::Publish(record, answer) => {
                let id = registry.publish(record).expect("the record is valid");
                self.publications.insert(id, answer);
            }
            Command::Lookup(key, answer) => {
                let id = registry.lookup(key).expect("there is room");
                self.lookups.insert(id, answer);
            }
            Command::Search(capability, wanted, answer) => {
                let id = registry.search(capability, wanted).expect("there is room");
                self.searches.insert(id, (answer, Vec::new()));
            }
            Command::Neighbours(answer) => {
                let neighbours = registry.neighbours().into_iter().map(|(peer, _)| peer);
                let _ = answer.send(neighbours.collect());
            }
            Command::Keys(answer) => {
                let mut keys = Vec::new();
                loop {
                    let changes = registry.take_changes();
                    if changes.is_empty() {
                        break;
                    }
                    let records = changes.iter().filter(|change| change.space == Space::Records);
                    keys.extend(records.map(|change| change.key));
                }
                let _ = answer.send(keys);
            }
            Command::Table(answer) => drop(answer.send(registry.table())),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Published { id, failed, .. } => {
                if let Some(answer) = self.publications.remove(&id) {
                    let _ = answer.send(failed.len());
                }
            }
            Event::LookedUp { id, lookup, asked, took } => {
                if let Some(answer) = self.lookups.remove(&id) {
                    drop(answer.send(LookedUp { lookup, asked, took }));
                }
            }
            Event::Found { id, record } => {
                if let Some((_, found)) = self.searches.get_mut(&id) {
                    found.push(*record);
                }
            }
            Event::SearchDone { id, rejected, asked, took, .. } => {
                if let Some((answer, found)) = self.searches.remove(&id) {
                    drop(answer.send(Searched { found, rejected, asked, took }));
                }
            }
            Event::TableChanged { .. } => {}
        }
    }
}

/// A swarm in memory, without encryption.
pub(super) fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(libp2p_plaintext::Config::new(keypair))
        .multiplex(yamux::Config::default())
        .boxed();
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(IDLE)
        .with_substream_upgrade_protocol_override(Version::V1Lazy);
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

pub(super) async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    let address = "/memory/0".parse().expect("an address");
    swarm.listen_on(address).expect("the memory transport listens");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address;
        }
    }
}
