//! What the fake knows of the registry.

use peer_protocol::identity::TrustLevel;
use peer_protocol::time::Timestamp;

use super::{PEER_ID, entity, fingerprint, judge};
use crate::error::NodeError;
use crate::handle::Registry;
use crate::model::{
    Bucket, DhtStatus, Discovered, Found, Listing, Registered, Registration, Source, TablePeer,
};

pub(super) fn obey(command: Registry) {
    match command {
        Registry::Register { add, remove, reply } => {
            let capabilities = add.iter().map(ToString::to_string).collect();
            let listing = Listing { capabilities, source: Source::Own, ..listing("entity_a") };
            let registered = Registered {
                listing,
                keys: 3,
                stored: if remove.is_empty() { 3 } else { 0 },
                took_ms: 42,
            };
            let _ = reply.send(Ok(registered));
        }
        Registry::Lookup { name, fresh, reply, .. } => {
            let source = if fresh { Source::Registry } else { Source::Cache };
            let found = Found {
                listing: Listing { source, ..listing("entity_b") },
                rivals: vec![fingerprint()],
                asked: 7,
                took_ms: 31,
            };
            let missing = |peer| {
                let detail = "the registry does not know it, after 20 requests".to_owned();
                NodeError::NotFound { peer, detail }
            };
            let answer =
                if name == "missing" { Err(missing(name)) } else { judge(&name).map(|()| found) };
            let _ = reply.send(answer);
        }
        Registry::Discover { capabilities, most, reply, .. } => {
            let known = capabilities.iter().all(|name| name.as_str() != "unknown");
            let listings = [listing("entity_b"), listing("entity_c")];
            let listings: Vec<_> = listings.into_iter().filter(|_| known).take(most).collect();
            let complete = listings.len() != most;
            let found = Discovered { listings, rejected: 1, asked: 9, took_ms: 55, complete };
            let _ = reply.send(Ok(found));
        }
        Registry::Dht(reply) => drop(reply.send(dht())),
    }
}

fn listing(name: &str) -> Listing {
    Listing {
        entity: entity(name),
        peer_id: PEER_ID.to_owned(),
        fingerprint: fingerprint(),
        trust: Some(TrustLevel::Seen),
        addresses: vec!["/ip4/192.0.2.7/tcp/4711".to_owned(), "/dns/x.example/tcp/1".to_owned()],
        capabilities: vec!["ocr".to_owned(), "translate".to_owned()],
        last_seen: Some(Timestamp::from_millis(1_700_000_000_000)),
        expires: Some(Timestamp::from_millis(1_700_086_400_000)),
        source: Source::Registry,
    }
}

fn dht() -> DhtStatus {
    DhtStatus {
        mode: "server".to_owned(),
        reason: "it has a public address".to_owned(),
        buckets: vec![Bucket { distance_bits: 256, peers: 1 }],
        peers: vec![TablePeer {
            peer_id: PEER_ID.to_owned(),
            addresses: vec!["/ip4/192.0.2.7/tcp/4711".to_owned()],
        }],
        records: 12,
        own_records: 3,
        providers: 4,
        running: 1,
        waiting: 0,
        done: 88,
        timed_out: 2,
        refused: [("bad signature".to_owned(), 5)].into(),
        registration: Some(Registration {
            at: Timestamp::from_millis(1_700_000_000_000),
            keys: 3,
            stored: 3,
        }),
    }
}
