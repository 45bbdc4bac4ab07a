//! Peers found by multicast DNS. Anybody on the network may say anything there, so only addresses of
//! local networks are dialled, and not many.

use std::collections::HashSet;
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

/// Those that were found and are still there.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    known: HashSet<PeerId>,
    new: u32,
    period: Option<Instant>,
}

impl Neighbours {
    /// Whether to dial one that was found.
    fn welcome(&mut self, peer: PeerId, now: Instant) -> bool {
        if self.period.is_none_or(|since| now.since(since) >= PERIOD) {
            self.period = Some(now);
            self.new = 0;
        }
        if self.known.contains(&peer) {
            return false;
        }
        let room = self.known.len() < MAX_NEIGHBOURS && self.new < MAX_NEW;
        if room {
            self.new += 1;
            self.known.insert(peer);
        }
        room
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
        let known = self.reach.neighbours.known.contains(&id);
        if !known && !self.reach.neighbours.welcome(id, now) {
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
