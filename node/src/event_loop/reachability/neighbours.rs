//! Peers found by multicast DNS. Anybody on the network may say anything there, so only addresses of
//! local networks are dialled, and not many.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, mdns};
use peer_behaviours::reachability::scope::Scope;
use peer_protocol::time::Instant;

use crate::event_loop::EventLoop;

/// Most neighbours that are dialled for having been found.
const MAX_NEIGHBOURS: usize = 32;
/// How many new ones are dialled in one period.
const MAX_NEW: u32 = 8;
const PERIOD: Duration = Duration::from_secs(10);
/// One that is not connected by then gives up its place when another is found. How long an
/// announcement lasts is for whoever makes it to say, and anybody may.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those that were found and are still there, and since when.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    known: HashMap<PeerId, Instant>,
    new: u32,
    period: Option<Instant>,
}

impl Neighbours {
    /// Whether to dial one that was found.
    fn welcome(
        &mut self,
        peer: PeerId,
        is_connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> bool {
        if self.period.is_none_or(|since| now.since(since) >= PERIOD) {
            self.period = Some(now);
            self.new = 0;
        }
        if self.known.contains_key(&peer) || self.new >= MAX_NEW {
            return false;
        }
        if self.known.len() >= MAX_NEIGHBOURS {
            let gone = (self.known.iter())
                .filter(|(peer, since)| now.since(**since) >= PATIENCE && !is_connected(peer))
                .min_by_key(|(_, since)| **since)
                .map(|(peer, _)| *peer);
            let Some(gone) = gone else { return false };
            self.known.remove(&gone);
        }
        self.new += 1;
        self.known.insert(peer, now);
        true
    }
}

impl EventLoop {
    pub(super) fn on_neighbours(&mut self, event: &mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    self.on_neighbour(*peer, address);
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, _) in gone {
                    self.reach.neighbours.known.remove(peer);
                }
            }
        }
    }

    fn on_neighbour(&mut self, id: PeerId, address: &Multiaddr) {
        let now = self.clock.now().instant;
        if self.stopping
            || Scope::of(address) != Scope::Private
            || id == *self.swarm.local_peer_id()
        {
            return;
        }
        let known = self.reach.neighbours.known.contains_key(&id);
        let swarm = &self.swarm;
        let is_connected = |peer: &PeerId| swarm.is_connected(peer);
        if !known && !self.reach.neighbours.welcome(id, is_connected, now) {
            return;
        }
        let full = address.clone().with_p2p(id).unwrap_or_else(|address| address);
        let Some(peer) = self.directory.entry(id) else { return };
        peer.add_found(full);
        if !known && !peer.is_connected() {
            tracing::info!(peer = %peer.name(), %address, "found on the same network");
            self.need_connection(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    /// Full of those found first, eight every ten seconds: the last ones after thirty.
    fn full() -> (Neighbours, Vec<PeerId>) {
        let mut neighbours = Neighbours::default();
        let peers: Vec<_> = (0..MAX_NEIGHBOURS).map(|_| PeerId::random()).collect();
        for (number, peer) in (0..).zip(&peers) {
            assert!(neighbours.welcome(*peer, |_| false, at(number / 8 * 10)));
        }
        (neighbours, peers)
    }

    #[test]
    fn places_are_not_held_by_those_who_do_not_connect() {
        let (mut neighbours, peers) = full();
        let [first, second] = [PeerId::random(), PeerId::random()];
        assert!(!neighbours.welcome(first, |_| false, at(59)));
        assert!(neighbours.welcome(first, |_| false, at(60)));
        assert_eq!(neighbours.known.len(), MAX_NEIGHBOURS);
        // Those that are connected stay, whenever they came.
        let connected = |peer: &PeerId| peers[..8].contains(peer);
        assert!(!neighbours.welcome(second, connected, at(69)));
        assert!(neighbours.welcome(second, connected, at(70)));
        let left = peers[8..].iter().filter(|peer| neighbours.known.contains_key(peer));
        assert_eq!(left.count(), 23);
        assert!(!neighbours.welcome(PeerId::random(), |_| true, at(1_000)));
    }

    #[test]
    fn few_are_new_in_one_period() {
        let mut neighbours = Neighbours::default();
        let taken = |neighbours: &mut Neighbours, now| {
            (0..20).filter(|_| neighbours.welcome(PeerId::random(), |_| false, now)).count()
        };
        assert_eq!(taken(&mut neighbours, at(0)), 8);
        assert_eq!(taken(&mut neighbours, at(9)), 0);
        assert_eq!(taken(&mut neighbours, at(10)), 8);
    }
}
