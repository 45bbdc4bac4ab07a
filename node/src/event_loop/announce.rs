//! Where this node says that it is.

use libp2p::Multiaddr;
use peer_behaviours::registry::Mode;

use super::EventLoop;
use crate::config::DhtMode;

impl EventLoop {
    /// Addresses for the registry, the best first.
    pub(super) fn announced(&self) -> Vec<Multiaddr> {
        self.swarm.external_addresses().chain(self.swarm.listeners()).take(16).cloned().collect()
    }

    /// The part that this node takes in the registry, and why.
    pub(super) fn dht_mode(&self) -> (Mode, &'static str) {
        match self.config.dht() {
            DhtMode::Off => (Mode::Client, "`dht = \"off\"`"),
            DhtMode::Client => (Mode::Client, "the configuration says so"),
            _ => (Mode::Server, "the configuration says so"),
        }
    }

    pub(super) fn reachability_status(&self) -> crate::model::Netcheck {
        crate::model::Netcheck::default()
    }
}
