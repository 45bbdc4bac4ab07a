//! What libp2p counts of itself: connections, dials, pings, relays, hole punching.
//!
//! Of two behaviours it counts nothing here. Identify's labels are made of the addresses that peers claim,
//! without bound; Kademlia's events stay within the registry, which has figures of its own. Candidates for
//! this node's own address are what peers say as well.

use std::fmt;

use libp2p::metrics::{Metrics, Recorder as _};
use libp2p::swarm::SwarmEvent;
use prometheus_client::registry::Registry;

use crate::behaviour::BehaviourEvent;

/// Families that are never fed: a zero there would be no count.
const UNFED: [&str; 3] =
    ["libp2p_identify_", "libp2p_kad_", "libp2p_swarm_external_addr_candidates"];

/// libp2p's own measurements.
pub(crate) struct Libp2p(Metrics);

impl Libp2p {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self(Metrics::new(registry))
    }

    /// Takes an event of the swarm in.
    pub(crate) fn record(&self, event: &SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.0.record(event),
            SwarmEvent::Behaviour(BehaviourEvent::Dcutr(event)) => self.0.record(event),
            SwarmEvent::Behaviour(BehaviourEvent::RelayServer(event)) => self.0.record(event),
            SwarmEvent::Behaviour(_) | SwarmEvent::NewExternalAddrCandidate { .. } => {}
            event => self.0.record(event),
        }
    }
}

impl fmt::Debug for Libp2p {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libp2p").finish_non_exhaustive()
    }
}

/// Appends what `text` says of families that are fed.
pub(super) fn append_fed(to: &mut String, text: &str) {
    for line in text.lines() {
        let words = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        let name = words.trim_start_matches("# UNIT ");
        if !UNFED.iter().any(|unfed| name.starts_with(unfed)) {
            to.push_str(line);
            to.push('\n');
        }
    }
}
