//! What is told of the registry.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId};
use peer_behaviours::registry::{self, Mode};
use peer_behaviours::secure;
use peer_protocol::identity::{Fingerprint, TrustView as _};
use peer_protocol::registry::Record;

use crate::event_loop::EventLoop;
use crate::model::{Bucket, DhtStatus, Listing, Registration, Source, TablePeer};
use crate::registry_file::Listed;

impl EventLoop {
    pub(super) fn listing(&self, record: &Record, source: Source) -> Listing {
        let peer_id = secure::peer_id_of(&record.public_key);
        Listing {
            entity: record.entity.clone(),
            peer_id: peer_id.map_or_else(String::new, |id| id.to_string()),
            fingerprint: Fingerprint::of(&record.public_key),
            trust: self.trust.level(&record.entity, &record.public_key),
            addresses: record.addresses.clone(),
            capabilities: record.capabilities.iter().map(ToString::to_string).collect(),
            last_seen: Some(record.last_seen),
            expires: Some(record.deadline()),
            source,
        }
    }

    pub(super) fn file_listing(&self, listed: &Listed) -> Listing {
        let key = secure::key_of(&listed.peer);
        Listing {
            entity: listed.entity.clone(),
            peer_id: listed.peer.to_string(),
            fingerprint: listed.fingerprint,
            trust: key.and_then(|key| self.trust.level(&listed.entity, &key)),
            addresses: listed.addresses.iter().map(ToString::to_string).collect(),
            capabilities: listed.capabilities.iter().map(ToString::to_string).collect(),
            last_seen: None,
            expires: None,
            source: Source::File,
        }
    }

    /// What the registry was last told of this entity, or would be told now.
    pub(super) fn own_listing(&self) -> Listing {
        let publisher = &self.registry.publisher;
        if let Some(record) = publisher.record() {
            return self.listing(record, Source::Own);
        }
        Listing {
            entity: self.identity.entity().clone(),
            peer_id: self.swarm.local_peer_id().to_string(),
            fingerprint: self.identity.fingerprint(),
            trust: None,
            addresses: self.announced().iter().map(ToString::to_string).collect(),
            capabilities: publisher.capabilities().iter().map(ToString::to_string).collect(),
            last_seen: None,
            expires: None,
            source: Source::Own,
        }
    }

    pub(in crate::event_loop) fn dht_status(&mut self) -> DhtStatus {
        let reason = self.dht_reason().to_owned();
        let Some(registry) = self.swarm.behaviour_mut().registry.as_mut() else {
            return DhtStatus { mode: "off".to_owned(), reason, ..DhtStatus::default() };
        };
        let table = registry.table();
        let mode = match table.mode {
            Mode::Client => "client",
            Mode::Server => "server",
        };
        let mut refused = BTreeMap::new();
        for (reason, count) in table.refused_records.iter().chain(table.refused_providers.iter()) {
            *refused.entry(reason.as_str().to_owned()).or_default() += count;
        }
        let bucket = |bucket: &registry::Bucket| Bucket {
            distance_bits: bucket.distance_bits,
            peers: bucket.peers,
        };
        let peer = |(id, addresses): (PeerId, Vec<Multiaddr>)| TablePeer {
            peer_id: id.to_string(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        DhtStatus {
            mode: mode.to_owned(),
            reason,
            buckets: table.buckets.iter().map(bucket).collect(),
            peers: registry.neighbours().into_iter().map(peer).collect(),
            records: table.foreign_records,
            own_records: table.own_records,
            providers: table.providers,
            running: table.running,
            waiting: table.waiting,
            done: table.done,
            timed_out: table.timed_out,
            refused,
            registration: self.registry.publisher.outcome().map(|outcome| Registration {
                at: outcome.at,
                keys: outcome.keys,
                stored: outcome.stored,
            }),
        }
    }
}
