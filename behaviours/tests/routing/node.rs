//! A node: a swarm with links and hops in a task of its own, told what to do and asked what it saw.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId};
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use peer_behaviours::routing::{self, Shuttle};
use peer_behaviours::secure::{self, EventKind, GateConfig};
use peer_behaviours::{Clock, SystemClock};
use peer_protocol::id::MessageId;
use peer_protocol::link::Event;
use peer_protocol::message::Message;
use peer_protocol::routing::Stats;
use peer_protocol::time::Instant;
use tokio::sync::{mpsc, oneshot};

use crate::common::{PATIENCE, behaviour, custom, listen, task};

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
        let own = secure::key_of(&keypair.public().to_peer_id()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut config = peer_protocol::routing::Config::default();
        adjust(&mut config);
        let secure = behaviour(name, keypair.clone(), GateConfig::default(), |_| {});
        let routing = routing::Behaviour::new(own, config, Arc::clone(&clock));
        let mut swarm = custom(&keypair, Version::V1Lazy, Both { secure, routing });
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
        self.dial(address);
        self.until(|saw| matches!(saw, Saw::Connected).then_some(())).await;
    }

    /// Dials, and does not wait.
    pub(crate) fn dial(&self, address: &Multiaddr) {
        self.order(Do::Dial(address.clone()));
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
            Saw::Link(Event::Receipts { ids, .. }) if ids.contains(&message) => Some(()),
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
            EventKind::Forgotten => None,
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
