//! The routing table: who gets in, with which addresses, and what it looks like.

use libp2p_core::{Multiaddr, PeerId};
use libp2p_kad as kad;
use peer_protocol::registry::{Origin, Reason, Refusals};

use super::Behaviour;
use super::addresses::{MAX_ADDRESSES, is_usable};
use super::config::Mode;
use super::event::Event;
use crate::prefix::Prefix;

/// Most peers of one public network in one bucket.
const MAX_PER_NETWORK: usize = 3;

/// One bucket that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The distances in it lie below two to this power.
    pub distance_bits: u32,
    /// How many peers it has; at most twenty.
    pub peers: usize,
}

/// What the registry looks like from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatus {
    /// Whether this node serves others.
    pub mode: Mode,
    /// Peers in the routing table.
    pub peers: usize,
    /// Buckets that are not empty, the nearest first.
    pub buckets: Vec<Bucket>,
    /// Records of this node in its store.
    pub own_records: usize,
    /// Records of others in the store.
    pub foreign_records: usize,
    /// Provider entries in the store.
    pub providers: usize,
    /// Queries under way.
    pub running: usize,
    /// Lookups and publications that wait.
    pub waiting: usize,
    /// Queries that came to their end.
    pub done: u64,
    /// Queries that time ended.
    pub timed_out: u64,
    /// Records that the store did not take.
    pub refused_records: Refusals,
    /// Provider entries that the store did not take.
    pub refused_providers: Refusals,
}

impl Behaviour {
    /// Adds an address of a peer that is known to serve [`super::PROTOCOL`], as identify tells. Of
    /// each peer four addresses are kept, the latest; of one public network three peers in a bucket.
    /// Returns whether the peer is in the table, or may be soon.
    pub fn add_address(&mut self, peer: PeerId, address: Multiaddr) -> bool {
        let now = self.clock.now().instant;
        if self.conduct.is_shunned(&peer, now)
            || !self.may_dial(&peer, &address)
            || self.is_crowded(&peer, &address)
        {
            return false;
        }
        let update = self.kad.add_address(&peer, address);
        self.wake();
        !matches!(update, kad::RoutingUpdate::Failed)
    }

    /// Says whether addresses of local networks, and names, are used and passed on from now on, as the
    /// configuration said at first. If not, those in the routing table are forgotten, apart from names
    /// at which this node has dialled the peer itself.
    pub fn set_local_addresses(&mut self, local: bool) {
        if self.local_addresses == local {
            return;
        }
        self.local_addresses = local;
        for (peer, addresses) in self.neighbours() {
            for address in addresses {
                if !self.may_dial(&peer, &address) {
                    self.kad.remove_address(&peer, &address);
                }
            }
        }
        self.tell_table();
        self.wake();
    }

    /// Whether `address`, whoever named it, may be used for `peer`.
    pub(super) fn may_dial(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let local = self.local_addresses || self.met.contains(peer, address);
        is_usable(address, peer, local)
    }

    /// Takes a peer out of the routing table, for one that does not serve the registry any more.
    pub fn remove_peer(&mut self, peer: &PeerId) {
        if self.kad.remove_peer(peer).is_some() {
            self.tell_table();
            self.wake();
        }
    }

    /// What the registry looks like from here. libp2p shows its table only to who may change it.
    pub fn table(&mut self) -> TableStatus {
        let mut buckets = Vec::new();
        for bucket in self.kad.kbuckets() {
            let (_, farthest) = bucket.range();
            let distance_bits = farthest.ilog2().map_or(0, |bits| bits + 1);
            buckets.push(Bucket { distance_bits, peers: bucket.num_entries() });
        }
        let store = self.kad.store_mut();
        let own = store.records.iter().filter(|record| *record.origin == Origin::Own).count();
        let (records, providers) = (store.records.len(), store.providers.len());
        let refused_records = store.records.refusals().clone();
        let refused_providers = store.providers.refusals().clone();
        TableStatus {
            mode: self.mode,
            peers: buckets.iter().map(|bucket| bucket.peers).sum(),
            buckets,
            own_records: own,
            foreign_records: records - own,
            providers,
            running: self.queries.running.len(),
            waiting: self.queries.lookups.len() + self.publisher.waiting(),
            done: self.queries.done,
            timed_out: self.queries.timed_out,
            refused_records,
            refused_providers,
        }
    }

    /// The peers of the routing table, the nearest first, for remembering them on disk.
    pub fn neighbours(&mut self) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut neighbours = Vec::new();
        for bucket in self.kad.kbuckets() {
            neighbours.extend(bucket.iter().map(|entry| {
                (*entry.node.key.preimage(), entry.node.value.iter().cloned().collect())
            }));
        }
        neighbours
    }

    /// libp2p has changed the entry of a peer, perhaps by an address that was dialled.
    pub(super) fn on_updated(&mut self, peer: PeerId, addresses: &kad::Addresses) {
        let usable = |address: &&Multiaddr| self.may_dial(&peer, address);
        let surplus = addresses.iter().filter(usable).count().saturating_sub(MAX_ADDRESSES);
        let (mut kept, mut gone) = (0, Vec::new());
        for address in addresses.iter() {
            let usable = self.may_dial(&peer, address);
            kept += usize::from(usable);
            if !usable || kept <= surplus {
                gone.push(address.clone());
            }
        }
        for address in gone {
            self.kad.remove_address(&peer, &address);
        }
        self.tell_table();
    }

    /// A peer brought something bad.
    pub(super) fn strike(&mut self, peer: PeerId, reason: Reason) {
        if self.conduct.strike(peer, reason, self.clock.now().instant) {
            tracing::debug!(%peer, ?reason, "it keeps bringing bad records, and is shunned");
            self.remove_peer(&peer);
        }
    }

    fn tell_table(&mut self) {
        let peers = self.kad.kbuckets().map(|bucket| bucket.num_entries()).sum();
        if peers != self.peers {
            self.peers = peers;
            self.pending.push_back(Event::TableChanged { peers });
        }
    }

    /// Whether the peer's bucket has as many others of this public network as allowed.
    fn is_crowded(&mut self, peer: &PeerId, address: &Multiaddr) -> bool {
        let network = Prefix::of(address);
        if network.is_local() {
            return false;
        }
        let Some(bucket) = self.kad.kbucket(*peer) else { return true };
        let others = bucket.iter().filter(|entry| {
            entry.node.key.preimage() != peer
                && entry.node.value.iter().any(|address| Prefix::of(address) == network)
        });
        others.count() >= MAX_PER_NETWORK
    }
}
