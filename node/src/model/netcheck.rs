//! How a node stands in the network.

use serde::{Deserialize, Serialize};

use super::Path;

/// Whether others can dial a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reachable {
    /// It is not known yet.
    #[default]
    Unknown,
    /// They can, at a public address that was checked.
    Public,
    /// They cannot: it is behind a NAT or a firewall.
    Private,
    /// Everybody it knows is in its own network, where they can.
    Local,
}

/// What the NAT in front of a node does with ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// It is not known.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// One port for all destinations: hole punching works.
    EndpointIndependent,
    /// Another port for each destination: peers behind such a NAT too are reached over a relay.
    EndpointDependent,
}

/// An address at which others may reach a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalAddress {
    /// The address.
    pub address: String,
    /// Why it is believed: `configured`, `checked` by other nodes, `mapped` by UPnP, `relayed`.
    pub source: String,
    /// Since when, in milliseconds.
    pub age_ms: u64,
}

/// A bootstrap address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStatus {
    /// Peers that were compared.
    pub peers: usize,
    /// How far they are ahead in the median, in milliseconds; negative if behind.
    pub median_ahead_ms: i64,
}

/// How a node stands in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netcheck {
    /// Whether others can dial it.
    pub reachable: Reachable,
    /// The NAT in front of it.
    pub nat: Nat,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Where peers see it come from.
    pub observed: Vec<String>,
    /// Where others reach it.
    pub external: Vec<ExternalAddress>,
    /// What the registry says about where it is, the best first.
    pub announced: Vec<String>,
    /// Relays at which it has a place.
    pub relays: Vec<String>,
    /// What the router says to UPnP: `off`, `searching`, `mapped`, `none`, `not routable`.
    pub upnp: String,
    /// Whether it looks for peers in its local network.
    pub mdns: bool,
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
    /// `server`, `client` or `off`, and why.
    pub dht: String,
    /// Peers in the registry's routing table.
    pub dht_peers: usize,
}

/// Peers by the kind of way to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }
}
