//! The machine's addresses change: another network, a new lease, an interface that goes away.
//!
//! Sessions belong to identities and live on. The side that moved knows it first and knows where the
//! others are, so it drops what is dead and dials at once; libp2p tells the others where it listens now.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::reachability::scope::{Scope, ip_of, is_relayed};

use crate::event_loop::EventLoop;

/// The first addresses all come within this time.
const STARTING: Duration = Duration::from_secs(3);

impl EventLoop {
    /// There is a new address. Whoever is missed may be within reach again.
    pub(super) fn on_new_address(&mut self, address: &Multiaddr) {
        if is_relayed(address) || matches!(Scope::of(address), Scope::Loopback | Scope::Link) {
            return;
        }
        let now = self.clock.now().instant;
        // A node that has just started is not somewhere else.
        if now.since(self.started) >= STARTING {
            self.reach.book.doubt(now);
            self.call_missed();
        }
    }

    /// An address is gone, and with it every connection that used it.
    pub(super) fn on_address_gone(&mut self, address: &Multiaddr) {
        tracing::info!(%address, "not listening there any more");
        let Some(ip) = ip_of(address).filter(|_| !is_relayed(address)) else { return };
        // It may only be one of several ports.
        if self.swarm.listeners().any(|other| ip_of(other) == Some(ip)) {
            return;
        }
        let now = self.clock.now().instant;
        self.reach.book.doubt(now);
        let dead = self.reach.paths.iter().filter(|(_, path)| path.local == Some(ip));
        for (id, peer) in dead.map(|(id, path)| (*id, path.peer)).collect::<Vec<_>>() {
            self.swarm.close_connection(id);
            if let Some(peer) = self.directory.get_mut(&peer) {
                // That it is lost now is not its fault.
                peer.redial.moved();
            }
        }
        self.call_missed();
    }

    /// Ends the pauses before those who should be connected are dialled again.
    fn call_missed(&mut self) {
        self.reach_all_anew();
        let missed: Vec<PeerId> = (self.directory.iter())
            .filter(|(_, peer)| peer.redial.is_kept() || !peer.sessions.is_empty())
            .filter(|(_, peer)| !peer.is_connected())
            .map(|(id, _)| *id)
            .collect();
        for id in missed {
            if let Some(peer) = self.directory.get_mut(&id) {
                peer.redial.moved();
            }
        }
    }
}
