//! What the registry says, and what it is told.

use std::collections::BTreeMap;

use peer_protocol::identity::{EntityId, Fingerprint, TrustLevel};
use peer_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a listing comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// This node itself.
    Own,
    /// The distributed registry, asked just now.
    Registry,
    /// The distributed registry, asked a short while ago.
    Cache,
    /// The operator's registry file.
    File,
}

/// An entity, where it is and what it can do, as a record that it signed says, or the operator's
/// registry file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    /// Its id.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Its key's fingerprint.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// Whether this node knows the entity under this key, and how well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trust: Option<TrustLevel>,
    /// Where it listens, the best first; none if it is reached over other nodes only.
    pub addresses: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// When it said so, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub last_seen: Option<Timestamp>,
    /// Until when that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub expires: Option<Timestamp>,
    /// Where this comes from.
    pub source: Source,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The entity.
    pub listing: Listing,
    /// Other keys that claim the same name; this node's trust list refuses them.
    #[schema(value_type = Vec<String>)]
    pub rivals: Vec<Fingerprint>,
    /// Requests that it took.
    pub asked: usize,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discovered {
    /// Entities that have all the capabilities asked for.
    pub listings: Vec<Listing>,
    /// Entries that did not stand up to a closer look: no valid record, another key, or not trusted.
    pub rejected: usize,
    /// Requests that it took.
    pub asked: usize,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether the search came to its end; otherwise there may be more.
    pub complete: bool,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// What the registry now says of this entity.
    pub listing: Listing,
    /// Keys that the record stands under.
    pub keys: usize,
    /// Keys under which at least one other node keeps it.
    pub stored: usize,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How this node takes part in the distributed registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DhtStatus {
    /// `server` (asked by others), `client` (only asks), or `off`.
    pub mode: String,
    /// Why.
    pub reason: String,
    /// The buckets of the routing table, the nearest first; empty ones are left out.
    pub buckets: Vec<Bucket>,
    /// The peers in them.
    pub peers: Vec<TablePeer>,
    /// Records kept for others.
    pub records: usize,
    /// This entity's own records, one for each key.
    pub own_records: usize,
    /// Provider entries.
    pub providers: usize,
    /// Queries under way.
    pub running: usize,
    /// Lookups and publications that wait.
    pub waiting: usize,
    /// Queries that came to their end since the node started.
    pub done: u64,
    /// Those of them that time ended.
    pub timed_out: u64,
    /// What was refused since the node started, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The last registration of this entity, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
}

/// One bucket of the routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bucket {
    /// The distances in it lie below two to this power: the fewer, the nearer.
    pub distance_bits: u32,
    /// How many peers it has; at most 20.
    pub peers: usize,
}

/// A peer of the routing table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TablePeer {
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Where it is.
    pub addresses: Vec<String>,
}

/// How this entity's registration stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// When it was last made.
    #[schema(value_type = u64)]
    pub at: Timestamp,
    /// Keys that the record stands under.
    pub keys: usize,
    /// Keys under which at least one other node keeps it.
    pub stored: usize,
}
