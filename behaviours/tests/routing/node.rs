//! A node: a swarm with links and hops in a task of its own, told what to do and asked what it saw.

use std::borrow::Cow;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p_core::transport::MemoryTransport;
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId, Transport as _};
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use peer_behaviours::routing::{self, Shuttle};
use peer_behaviours::secure::{self, EventKind, GateConfig};
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::handshake::Config;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{
    Admission, EntityId, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::link::{Event, LinkConfig};
use peer_protocol::message::{Body, Message, Task};
use peer_protocol::routing::Stats;
use peer_protocol::time::{Instant, Timestamp};
use tokio::sync::{mpsc, oneshot};

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct Trust(RwLock<TrustStore>);

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.0.read().unwrap().judge(entity, key)
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.0.write().unwrap().admit(entity, key, now)
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.0.read().unwrap().level(entity, key)
    }
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p_swarm::derive_prelude")]
struct Both {
    secure: secure::Behaviour,
    routing: routing::Behaviour,
}

/// What a node is told to do.
enum Do {
    Dial(Multiaddr),
    Disconnect(PeerId),
    Send(PeerId, Message, Duration),
    Stats(oneshot::Sender<Stats>),
    HopsTo(PeerId, oneshot::Sender<Option<u8>>),
    /// Keep the connections, but answer nothing any more.
    Freeze,
}

/// What a node saw.
#[derive(Debug)]
pub(crate) enum Saw {
    Connected,
    Disconnected(PeerId),
    Link(Event),
    Misled,
}

/// A node that runs in a task of its own until this is dropped.
pub(crate) struct Node {
    pub(crate) id: PeerId,
    pub(crate) keypair: Keypair,
    pub(crate) address: Multiaddr,
    orders: mpsc::UnboundedSender<Do>,
    pub(crate) saw: mpsc::UnboundedReceiver<Saw>,
}

impl Node {
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, |_| {}).await
    }

    pub(crate) async fn with(
        name: &str,
        adjust: impl FnOnce(&mut peer_protocol::routing::Config),
    ) -> Self {
        let keypair = Keypair::generate_ed25519();
        let key: [u8; 32] =
            keypair.clone().try_into_ed25519().unwrap().secret().as_ref().try_into().unwrap();
        let key = Arc::new(Ed25519Authenticator::from_seed(&key));
        let identity = Identity::new(Some(name.parse().unwrap()), key).unwrap();
        let own = *identity.public_key();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut config = peer_protocol::routing::Config::default();
        adjust(&mut config);
        let link = LinkConfig::new(Config::new(identity));
        let trust = Arc::new(Trust::default());
        let secure = secure::Behaviour::new(link, GateConfig::default(), trust, Arc::clone(&clock));
        let routing = routing::Behaviour::new(own, config, Arc::clone(&clock));
        let mut swarm = swarm(&keypair, Both { secure, routing });
        let address = listen(&mut swarm).await;
        let (orders, mut to_do) = mpsc::unbounded_channel();
        let (tell, saw) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut shuttle = Shuttle::default();
            loop {
                tokio::select! {
                    order = to_do.recv() => match order {
                        None => return,
                        Some(Do::Freeze) => std::future::pending().await,
                        Some(order) => obey(&mut swarm, order, clock.as_ref()),
                    },
                    event = swarm.select_next_some() => {
                        let saw = handle(&mut swarm, &mut shuttle, event);
                        if saw.is_some_and(|saw| tell.send(saw).is_err()) {
                            return;
                        }
                    }
                }
            }
        });
        Self { id: keypair.public().to_peer_id(), keypair, address, orders, saw }
    }

    /// Connects to whoever listens there; returns once there is a connection.
    pub(crate) async fn connect(&mut self, address: &Multiaddr) {
        self.order(Do::Dial(address.clone()));
        self.until(|saw| matches!(saw, Saw::Connected).then_some(())).await;
    }

    pub(crate) async fn disconnect(&mut self, peer: PeerId) {
        self.order(Do::Disconnect(peer));
        self.until(|saw| matches!(saw, Saw::Disconnected(id) if *id == peer).then_some(())).await;
    }

    pub(crate) fn send(&self, peer: PeerId, text: &'static str) -> MessageId {
        self.send_for(peer, text, Duration::from_secs(3600))
    }

    pub(crate) fn send_for(&self, peer: PeerId, text: &'static str, life: Duration) -> MessageId {
        let message = task(text);
        let id = message.id;
        self.order(Do::Send(peer, message, life));
        id
    }

    pub(crate) fn freeze(&self) {
        self.order(Do::Freeze);
    }

    pub(crate) async fn stats(&self) -> Stats {
        let (reply, stats) = oneshot::channel();
        self.order(Do::Stats(reply));
        stats.await.unwrap()
    }

    pub(crate) async fn hops_to(&self, peer: PeerId) -> Option<u8> {
        let (reply, hops) = oneshot::channel();
        self.order(Do::HopsTo(peer, reply));
        hops.await.unwrap()
    }

    /// Waits until it has seen what `wanted` looks for.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&Saw) -> Option<T>) -> T {
        let waited = async {
            loop {
                let saw = self.saw.recv().await.expect("the node runs");
                if let Some(found) = wanted(&saw) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("this hangs")
    }

    /// Waits for the receipt of a message.
    pub(crate) async fn receipt(&mut self, message: MessageId) {
        self.until(|saw| match saw {
            Saw::Link(Event::Receipt { id, .. }) if *id == message => Some(()),
            Saw::Link(Event::Failed { id, why }) if *id == message => panic!("{why}"),
            _ => None,
        })
        .await;
    }

    /// Everything it has seen and nobody has looked at.
    pub(crate) fn rest(&mut self) -> Vec<Saw> {
        std::iter::from_fn(|| self.saw.try_recv().ok()).collect()
    }

    fn order(&self, order: Do) {
        self.orders.send(order).expect("the node runs");
    }
}

/// Counts how often `message` was handed over.
pub(crate) fn deliveries(saw: &[Saw], message: MessageId) -> usize {
    let handed = |saw: &&Saw| matches!(saw, Saw::Link(Event::Message(it)) if it.id == message);
    saw.iter().filter(handed).count()
}

fn obey(swarm: &mut Swarm<Both>, order: Do, clock: &dyn Clock) {
    let behaviour = swarm.behaviour_mut();
    match order {
        Do::Dial(address) => swarm.dial(address).unwrap(),
        Do::Disconnect(peer) => swarm.disconnect_peer_id(peer).unwrap(),
        Do::Send(peer, message, life) => {
            let deadline: Instant = clock.now().instant + life;
            behaviour.secure.send(peer, message, deadline).unwrap();
        }
        Do::Stats(reply) => drop(reply.send(behaviour.routing.stats())),
        Do::HopsTo(peer, reply) => drop(reply.send(behaviour.routing.hops(&peer))),
        Do::Freeze => {}
    }
}

/// What a node does about events, apart from dialling.
fn handle(
    swarm: &mut Swarm<Both>,
    shuttle: &mut Shuttle,
    event: SwarmEvent<BothEvent>,
) -> Option<Saw> {
    let Both { secure, routing } = swarm.behaviour_mut();
    match event {
        SwarmEvent::Behaviour(BothEvent::Routing(event)) => {
            shuttle.on_routing(event, secure, routing);
            None
        }
        SwarmEvent::Behaviour(BothEvent::Secure(secure::Event { peer, kind })) => match kind {
            EventKind::Hops(hops) => {
                let misled = hops == secure::Hops::Misled;
                shuttle.on_hops(&peer, hops, secure, routing);
                misled.then_some(Saw::Misled)
            }
            EventKind::Link(event) => {
                match event {
                    Event::NeedConnection if routing.has_neighbours() => {
                        secure.set_hops(&peer, true);
                    }
                    Event::Unresponsive => routing.penalise(&peer),
                    _ => {}
                }
                Some(Saw::Link(event))
            }
            EventKind::Unsupported => None,
        },
        SwarmEvent::ConnectionEstablished { peer_id, .. } => {
            secure.set_hops(&peer_id, false);
            Some(Saw::Connected)
        }
        SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
            Some(Saw::Disconnected(peer_id))
        }
        _ => None,
    }
}

fn task(text: &'static str) -> Message {
    let content = Cow::Borrowed(text.as_bytes());
    let task = Task { content, content_type: "text/plain".to_owned(), ..Task::default() };
    Message::new(&mut rand::rng(), &Body::from(task), None).unwrap()
}

pub(crate) fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p_plaintext::Config::new(keypair))
        .multiplex(libp2p_yamux::Config::default())
        .boxed();
    let config = libp2p_swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(PATIENCE);
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// Listens in memory.
pub(crate) async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address;
        }
    }
}

/// Nodes in a line: only neighbours are connected.
pub(crate) async fn line(count: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 0..count {
        nodes.push(Node::new(&format!("entity_{number}")).await);
    }
    for number in 1..count {
        let address = nodes[number - 1].address.clone();
        nodes[number].connect(&address).await;
    }
    nodes
}
