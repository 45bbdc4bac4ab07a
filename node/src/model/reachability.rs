//! How a node can be reached, as plain data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether others can dial a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// What is known of how the node can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Whether others can connect to the node.
    pub status: Reachable,
    /// How a translator in front of the node picks ports.
    pub nat: Nat,
    /// `server`, `client` or `off`: the part in the distributed hash table.
    pub dht: String,
    /// Where the node listens.
    pub listen: Vec<String>,
    /// Where peers see it.
    pub observed: Vec<Observed>,
    /// Addresses that may be the node's, and those that are.
    pub addresses: Vec<Address>,
    /// Relays that are used, or are being asked.
    pub relays: Vec<Relay>,
    /// `off`, `searching`, `mapped`, `no router` or `router without a public address`.
    pub upnp: String,
    /// Whether peers on the same network are looked for.
    pub mdns: bool,
    /// What the node tells others of where it is, the best first.
    pub announced: Vec<String>,
}

/// Where peers see the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Observed {
    /// The address.
    pub address: String,
    /// How many networks see it there.
    pub networks: usize,
}

/// An address that may be the node's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// The address.
    pub address: String,
    /// `configured`, `router`, `listener` or `observed`.
    pub source: String,
    /// For how long it has been confirmed, in milliseconds.
    pub confirmed_ms: Option<u64>,
    /// How long ago it was last confirmed, in milliseconds.
    pub refreshed_ms: Option<u64>,
    /// How many tests in a row have failed.
    pub refusals: u32,
}

/// A relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relay {
    /// The relay's peer id.
    pub peer_id: String,
    /// Where the node is reached over it.
    pub address: String,
    /// Whether it has agreed.
    pub reserved: bool,
}
