//! A network of nodes in memory, each in a task of its own.
//!
//! What identify tells in a whole node comes from a directory here: whoever connects to a server
//! learns its address, and is learnt by it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p_core::transport::MemoryTransport;
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId, Transport as _};
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::Clock;
use peer_behaviours::registry::{Behaviour, Config, Event, LookupId, Mode, PublishId, SearchId};
use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::{Admission, EntityId, TrustError, TrustLevel, TrustStore, TrustView};
use peer_protocol::registry::{Key, Lookup, RegistryError, Resolution, Verified};
use peer_protocol::time::{Now, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::entities::{Entity, capability};

/// Nothing in these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that only tests move.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<Mutex<Now>>);

impl TestClock {
    fn new() -> Self {
        let timestamp = Timestamp::from_millis(1_800_000_000_000);
        Self(Arc::new(Mutex::new(Now { timestamp, ..Now::default() })))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = *now + by;
    }

    /// The wall clock is put right; time goes on.
    pub(crate) fn set_back(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        now.timestamp = now.timestamp - by;
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.now().timestamp
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

type Directory = Arc<Mutex<HashMap<PeerId, Multiaddr>>>;
type Command = Box<dyn FnOnce(&mut Behaviour) + Send>;

/// A network.
pub(crate) struct Net {
    pub(crate) clock: TestClock,
    directory: Directory,
}

/// A node of the network.
pub(crate) struct Node {
    pub(crate) entity: Entity,
    pub(crate) address: Multiaddr,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<Event>,
    task: AbortHandle,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Net {
    pub(crate) fn new() -> Self {
        Self { clock: TestClock::new(), directory: Directory::default() }
    }

    /// A node that serves others.
    pub(crate) async fn server(&self, entity: Entity) -> Node {
        self.node(entity, Mode::Server, |_| {}).await
    }

    pub(crate) async fn node(
        &self,
        entity: Entity,
        mode: Mode,
        adjust: impl FnOnce(&mut Config),
    ) -> Node {
        let mut config =
            Config::new(Arc::new(self.clock.clone()), [entity.peer().to_bytes()[9]; 32]);
        config.request_timeout = Duration::from_secs(2);
        adjust(&mut config);
        let mut behaviour = Behaviour::new(entity.peer(), config);
        behaviour.set_mode(mode);
        let mut swarm = swarm(&entity.keypair, behaviour);
        let address = listen(&mut swarm).await;
        if mode == Mode::Server {
            self.register(entity.peer(), &address);
        }
        let (commands, to_do) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(swarm, to_do, told, Arc::clone(&self.directory)));
        Node { entity, address, commands, events, task: task.abort_handle() }
    }

    /// Lets everybody who connects to this peer learn that it serves, and where.
    pub(crate) fn register(&self, peer: PeerId, address: &Multiaddr) {
        self.directory.lock().unwrap().insert(peer, address.clone());
    }

    /// `count` servers that know each other, named `node-0` and so on, with keys from `first` on.
    pub(crate) async fn servers(&self, count: u16, first: u16) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for number in 0..count {
            let name = format!("node-{number}");
            let node = self.server(Entity::new(&name, first + number)).await;
            if let Some(known) = nodes.first() {
                node.join(known).await;
            }
            nodes.push(node);
        }
        quiet(&nodes).await;
        nodes
    }
}

/// Refreshes all tables until nothing runs.
pub(crate) async fn settle(nodes: &[Node]) {
    for node in nodes {
        node.call(Behaviour::bootstrap).await;
    }
    quiet(nodes).await;
}

/// Waits until nothing runs.
async fn quiet(nodes: &[Node]) {
    let mut last = (0, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = done(nodes).await;
        if now == last && (now.0 > 0 || nodes.len() < 2) {
            return;
        }
        last = now;
    }
}

/// Queries that are over, and peers known.
async fn done(nodes: &[Node]) -> (u64, usize) {
    let (mut queries, mut peers) = (0, 0);
    for node in nodes {
        let table = node.call(Behaviour::table).await;
        queries += table.done + table.timed_out;
        peers += table.peers;
    }
    (queries, peers)
}

impl Node {
    /// Does something with the behaviour.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Behaviour) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |registry| drop(answer.send(what(registry))));
        self.commands.send(command).unwrap_or_else(|_| panic!("the node is gone"));
        answered.await.unwrap()
    }

    /// Learns of another node, as from its configuration, and of the network from there.
    pub(crate) async fn join(&self, known: &Self) {
        let (peer, address) = (known.entity.peer(), known.address.clone());
        self.call(move |registry| {
            assert!(registry.add_address(peer, address));
            assert!(registry.bootstrap());
        })
        .await;
    }

    /// The next event for which `pick` has something.
    pub(crate) async fn until<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let waited = async {
            loop {
                if let Some(picked) = pick(self.events.recv().await.expect("the node is gone")) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("this hangs")
    }

    /// Publishes its record; returns keys, those stored, and shards announced.
    pub(crate) async fn publish(
        &mut self,
        capabilities: &[&str],
        now: Timestamp,
    ) -> (usize, usize, usize) {
        let record = self.entity.record(capabilities, now);
        let id = self.call(move |registry| registry.publish(record)).await.unwrap();
        self.published(id).await
    }

    pub(crate) async fn published(&mut self, id: PublishId) -> (usize, usize, usize) {
        self.until(|event| match event {
            Event::Published { id: other, keys, stored, failed, announced } if other == id => {
                assert_eq!(stored + failed.len(), keys);
                Some((keys, stored, announced))
            }
            _ => None,
        })
        .await
    }

    /// Looks a key up.
    pub(crate) async fn lookup(&mut self, key: Key) -> Lookup {
        let id = self.call(move |registry| registry.lookup(key)).await.unwrap();
        self.looked_up(id).await
    }

    pub(crate) async fn looked_up(&mut self, id: LookupId) -> Lookup {
        self.until(|event| match event {
            Event::LookedUp { id: other, lookup, .. } if other == id => Some(lookup),
            _ => None,
        })
        .await
    }

    /// Looks a key up and trusts nobody in particular.
    pub(crate) async fn resolve(&mut self, key: Key) -> Result<Resolution, RegistryError> {
        let lookup = self.lookup(key).await;
        lookup.finish(&Trust::default())
    }

    /// Searches; returns the names of those found, sorted, and what it took.
    pub(crate) async fn search(&mut self, name: &str, wanted: usize) -> (Vec<String>, Searched) {
        let capability = capability(name);
        let id = self.call(move |registry| registry.search(capability, wanted)).await.unwrap();
        self.searched(id).await
    }

    pub(crate) async fn searched(&mut self, id: SearchId) -> (Vec<String>, Searched) {
        let mut names = Vec::new();
        let (count, searched) = self
            .until(|event| match event {
                Event::Found { id: other, record } if other == id => {
                    names.push(record.record().entity.to_string());
                    None
                }
                Event::SearchDone { id: other, found, rejected, keys, asked, .. }
                    if other == id =>
                {
                    Some((found, Searched { rejected, keys, asked }))
                }
                _ => None,
            })
            .await;
        names.sort();
        assert_eq!(names.len(), count);
        (names, searched)
    }
}

/// What a search took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Searched {
    pub(crate) rejected: usize,
    pub(crate) keys: usize,
    pub(crate) asked: usize,
}

/// The record that a lookup has to have found.
pub(crate) fn found(resolution: Result<Resolution, RegistryError>) -> Verified {
    match resolution {
        Ok(Resolution::Found { record, .. }) => *record,
        other => panic!("found {other:?}"),
    }
}

/// A trust list, empty at first.
#[derive(Debug, Default)]
pub(crate) struct Trust(Mutex<TrustStore>);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.lock().unwrap().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.0.lock().unwrap().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.0.lock().unwrap().level(entity, key)
    }
}

/// A swarm in memory.
pub(crate) fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p_plaintext::Config::new(keypair))
        .multiplex(libp2p_yamux::Config::default())
        .boxed();
    let config = libp2p_swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(10));
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// Listens in memory.
pub(crate) async fn listen<B>(swarm: &mut Swarm<B>) -> Multiaddr
where
    B: NetworkBehaviour<ToSwarm: Debug> + Send,
{
    swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.next_swarm_event().await {
            return address;
        }
    }
}

async fn run(
    mut swarm: Swarm<Behaviour>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    told: mpsc::UnboundedSender<Event>,
    directory: Directory,
) {
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => command(swarm.behaviour_mut()),
                None => return,
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(event) => drop(told.send(event)),
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    let address = directory.lock().unwrap().get(&peer_id).cloned();
                    if let Some(address) = address {
                        swarm.behaviour_mut().add_address(peer_id, address);
                    }
                }
                _ => {}
            },
        }
    }
}
