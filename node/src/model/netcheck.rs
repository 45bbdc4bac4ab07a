//! How a node stands in the network.

use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Path;
use super::reachability::Report;

/// A bootstrap address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootstrapStatus {
    /// As it is configured.
    pub address: String,
    /// Whether the peer there is connected.
    pub connected: bool,
    /// Why it last could not be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How far the clocks of peers are from this node's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockStatus {
    /// Peers that were compared.
    pub peers: usize,
    /// How far they are ahead in the median, in milliseconds; negative if behind.
    pub median_ahead_ms: i64,
}

/// How a node stands in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Netcheck {
    /// Whether and where others can reach it.
    pub reachability: Report,
    /// Whether it relays for others.
    pub relay_server: bool,
    /// Whether it carries others' messages over hops.
    pub carries: bool,
    /// Peers connected now, by the kind of way to them.
    pub peers: PathCounts,
    /// The bootstrap addresses.
    pub bootstrap: Vec<BootstrapStatus>,
    /// The clocks.
    pub clock: ClockStatus,
    /// Why the part in the registry is what it is.
    pub dht_reason: String,
    /// Peers in the registry's routing table.
    pub dht_peers: usize,
    /// Why nothing can be saved, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreTrouble>,
}

/// What keeps the node from saving anything. It goes on trying, and keeps what is to be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreTrouble {
    /// Since when.
    #[schema(value_type = u64)]
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// What to do next.
    pub next: String,
}

/// Peers by the kind of way to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PathCounts {
    /// Without anybody in between.
    pub direct: usize,
    /// The same, through NATs.
    pub hole_punched: usize,
    /// Over libp2p relays.
    pub relayed: usize,
    /// Carried by other nodes.
    pub hops: usize,
}

impl PathCounts {
    /// Counts one more.
    pub(crate) const fn count(&mut self, path: &Path) {
        use super::PathKind;
        match path.kind {
            PathKind::Direct => self.direct += 1,
            PathKind::HolePunched => self.hole_punched += 1,
            PathKind::Relayed => self.relayed += 1,
            PathKind::Hops => self.hops += 1,
            // No part of the network that this is about.
            PathKind::Http => {}
        }
    }
}
