//! How this node stands in the network.

use libp2p::multiaddr::Multiaddr;

use super::EventLoop;
use crate::directory::peer_of;
use crate::model::{BootstrapStatus, ClockStatus, Netcheck, PathCounts};

impl EventLoop {
    pub(super) fn netcheck(&mut self) -> Netcheck {
        let dht = self.dht_status();
        Netcheck {
            reachability: self.reachability(),
            relay_server: self.config.relay_server(),
            carries: self.config.carry(),
            peers: self.path_counts(),
            bootstrap: self.bootstrap_status(),
            clock: self.clock_status(),
            dht_reason: dht.reason,
            dht_peers: dht.peers.len(),
            store: self.store_trouble(),
        }
    }

    fn path_counts(&self) -> PathCounts {
        let mut counts = PathCounts::default();
        for (id, _) in self.directory.iter() {
            if let Some(path) = self.path(id) {
                counts.count(&path);
            }
        }
        counts
    }

    fn bootstrap_status(&self) -> Vec<BootstrapStatus> {
        let status = |address: &Multiaddr| {
            let peer = peer_of(address).and_then(|id| self.directory.get(&id));
            BootstrapStatus {
                address: address.to_string(),
                connected: peer.is_some_and(crate::directory::Peer::is_connected),
                last_error: peer.and_then(|peer| peer.last_error.clone()),
            }
        };
        self.config.bootstrap().iter().map(status).collect()
    }

    fn clock_status(&self) -> ClockStatus {
        let ahead = self.directory.iter().filter_map(|(_, peer)| peer.clock_ahead_ms);
        let mut ahead: Vec<i64> = ahead.collect();
        ahead.sort_unstable();
        let median_ahead_ms = ahead.get(ahead.len() / 2).copied().unwrap_or_default();
        ClockStatus { peers: ahead.len(), median_ahead_ms }
    }
}
