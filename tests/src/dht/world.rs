//! The nodes of one run, and how they come and go.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use libp2p::{Multiaddr, PeerId};
use peer_protocol::registry::{Key, Place};

use super::book::{Book, Entity};
use super::hostile::{Hostile, SPREADING, Vice};
use super::node::Node;
use crate::simulation::Chance;

/// Nodes that new ones learn the network from.
const BOOTSTRAP: usize = 4;
/// Nodes that join at once.
const JOINING: usize = 64;
/// Nodes that take all places near a key, with a few more in case.
const ENOUGH: usize = 24;
/// Most nodes that a hostile node connects to by itself.
const VICTIMS: usize = 60;

/// All nodes.
pub(super) struct World {
    pub(super) book: Book,
    pub(super) honest: Vec<Node>,
    pub(super) hostile: Vec<Hostile>,
    chance: Chance,
    born: usize,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let (book, honest, hostile) = Default::default();
        Self { book, honest, hostile, chance: Chance::seeded(seed), born: 0 }
    }

    pub(super) const fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// A new entity, with a key that follows from the seed.
    pub(super) fn entity(&mut self) -> Entity {
        let mut seed = [0; 32];
        seed.fill_with(|| u8::try_from(self.chance.below(256)).unwrap_or(0));
        self.born += 1;
        Entity::new(&format!("entity-{}", self.born), seed)
    }

    /// Adds honest nodes that join through the first ones; returns whose they are.
    pub(super) async fn grow(&mut self, count: usize) -> Vec<Entity> {
        let entities: Vec<_> = (0..count).map(|_| self.entity()).collect();
        for some in entities.chunks(JOINING) {
            let mut joining = FuturesUnordered::new();
            for entity in some {
                let node = Node::start(entity, &self.book).await;
                let known = self.bootstrap_nodes();
                joining.push(async move {
                    if !known.is_empty() {
                        node.join(known).await;
                    }
                    node
                });
                // The very first ones join one after the other.
                if self.honest.len() < BOOTSTRAP {
                    self.honest.extend(joining.next().await);
                }
            }
            while let Some(node) = joining.next().await {
                self.honest.push(node);
            }
        }
        entities
    }

    /// Waits until no node refreshes its table any more.
    pub(super) async fn settle(&self) {
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut walks = 0;
            for node in &self.honest {
                walks += node.walks().await;
            }
            if walks == last {
                return;
            }
            last = walks;
        }
    }

    /// Kills nodes that are no bootstrap nodes, and lets new ones join in their place.
    pub(super) async fn replace(&mut self, count: usize) {
        for _ in 0..count {
            let unlucky = BOOTSTRAP + self.chance.below(self.honest.len() - BOOTSTRAP);
            drop(self.honest.swap_remove(unlucky));
        }
        self.grow(count).await;
    }

    /// Who asks, and who says which of them.
    pub(super) const fn seekers(&mut self) -> (&Vec<Node>, &mut Chance) {
        (&self.honest, &mut self.chance)
    }

    pub(super) fn is_hostile(&self, peer: &PeerId) -> bool {
        self.hostile.iter().any(|hostile| hostile.peer == *peer)
    }

    /// Adds `count` hostile nodes of all kinds. Those that eclipse do so to `target`: in large
    /// networks there are enough of them to take every place near it.
    pub(super) async fn infest(&mut self, count: usize, target: &Key) {
        let eclipsing = (count / Vice::ALL.len()).max(ENOUGH.min(count / 2));
        let others: Vec<_> = Vice::ALL.into_iter().filter(|vice| *vice != Vice::Eclipse).collect();
        for number in 0..count - eclipsing {
            let entity = self.entity();
            let known = self.some(VICTIMS);
            let vice = others[number % others.len()];
            let hostile = Hostile::start(&entity, vice, &self.book, &known, &known).await;
            self.hostile.push(hostile);
        }
        self.eclipse(eclipsing, target).await;
        tokio::time::sleep(SPREADING).await;
    }

    /// Adds `count` nodes with ids nearer to `target` than those of others.
    async fn eclipse(&mut self, count: usize, target: &Key) {
        let place = target.place();
        let nearest = (self.honest.iter().map(|node| distance(&place, &node.peer))).min();
        let mut fellows: Vec<(PeerId, Multiaddr)> = Vec::new();
        while fellows.len() < count {
            let entity = self.entity();
            if nearest.is_some_and(|nearest| distance(&place, &entity.peer()) >= nearest) {
                continue;
            }
            let victims = self.some(VICTIMS);
            let (vice, book) = (Vice::Eclipse, self.book.clone());
            let hostile = Hostile::start(&entity, vice, &book, &fellows, &victims).await;
            fellows.push((hostile.peer, hostile.address.clone()));
            self.hostile.push(hostile);
        }
    }

    fn bootstrap_nodes(&self) -> Vec<(PeerId, Multiaddr)> {
        self.honest.iter().take(BOOTSTRAP).map(whereabouts).collect()
    }

    /// Some honest nodes.
    fn some(&mut self, count: usize) -> Vec<(PeerId, Multiaddr)> {
        let all = self.honest.len();
        let start = self.chance.below(all);
        let count = count.min(all);
        (0..count).map(|number| whereabouts(&self.honest[(start + number) % all])).collect()
    }
}

fn whereabouts(node: &Node) -> (PeerId, Multiaddr) {
    (node.peer, node.address.clone())
}

fn distance(place: &Place, peer: &PeerId) -> [u8; 32] {
    place.distance(&Place::of(&peer.to_bytes()))
}
