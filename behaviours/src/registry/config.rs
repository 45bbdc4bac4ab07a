//! What a node may choose about its part of the registry, and what all nodes share.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use libp2p_kad as kad;
use libp2p_swarm::StreamProtocol;
use peer_protocol::limits::{PROVIDER_TTL, RECORD_TTL};
use peer_protocol::registry::{Limits, ProviderStore, RecordStore};

use super::source::Source;
use crate::clock::Clock;

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/kad/1.0.0");
/// Peers in a bucket, nodes that keep an entry, nodes that a query wants to hear: k.
const K: NonZeroUsize = NonZeroUsize::new(20).unwrap();
/// Requests of one query under way at once: alpha.
const ALPHA: NonZeroUsize = NonZeroUsize::new(3).unwrap();
/// Longest message: 20 table peers of at most 0.7 KiB and 20 providers of at most 0.7 KiB.
const MAX_PACKET: usize = 32 << 10;

/// Configuration of one node's part of the registry.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where time comes from, for the lives of entries and for refreshing them.
    pub clock: Arc<dyn Clock>,
    /// 32 random bytes that no peer learns, the same after a restart.
    pub salt: [u8; 32],
    /// How long one walk through the network may take.
    pub query_timeout: Duration,
    /// How long one node may take to answer one request.
    pub request_timeout: Duration,
    /// How long one search for providers may take, with all its walks.
    pub search_timeout: Duration,
    /// How often the routing table is refreshed. It also is whenever it has fewer than twenty peers
    /// and gains one.
    pub bootstrap_interval: Duration,
    /// What is kept of records.
    pub record_limits: Limits,
    /// What is kept of provider entries.
    pub provider_limits: Limits,
    /// Whether addresses of local networks, and names, are used and passed on. A node of the public
    /// network says no: then nobody can make it dial into its own network. See
    /// [`super::Behaviour::set_local_addresses`].
    pub local_addresses: bool,
}

impl Config {
    /// The defaults, with this clock and secret.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, salt: [u8; 32]) -> Self {
        Self {
            clock,
            salt,
            query_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(3),
            search_timeout: Duration::from_secs(60),
            bootstrap_interval: Duration::from_secs(600),
            record_limits: RecordStore::<Source>::LIMITS,
            provider_limits: ProviderStore::<Source>::LIMITS,
            local_addresses: true,
        }
    }

    /// libp2p's part. Its background jobs are off: what a node holds for others it does not spread
    /// (a full store would cost it more than forty requests a second), and its own entries are
    /// refreshed by this behaviour, on its clock. Disjoint paths lose answers (rust-libp2p #5418).
    pub(super) fn kad(&self) -> kad::Config {
        let mut config = kad::Config::new(PROTOCOL);
        config
            .set_kbucket_size(K)
            .set_replication_factor(K)
            .set_parallelism(ALPHA)
            .disjoint_query_paths(false)
            .set_query_timeout(self.query_timeout)
            .set_substreams_timeout(self.request_timeout)
            .set_record_ttl(Some(RECORD_TTL))
            .set_provider_record_ttl(Some(PROVIDER_TTL))
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            // The store itself checks what comes, so that a refused writer sees a failure.
            .set_record_filtering(kad::StoreInserts::Unfiltered)
            .set_kbucket_inserts(kad::BucketInserts::Manual)
            .set_caching(kad::Caching::Disabled)
            .set_periodic_bootstrap_interval(Some(self.bootstrap_interval))
            .set_max_packet_size(MAX_PACKET);
        config
    }
}

/// Whether a node serves others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It asks and publishes, and keeps nothing for others: for nodes that nobody can dial.
    Client,
    /// It also answers and keeps entries.
    Server,
}
