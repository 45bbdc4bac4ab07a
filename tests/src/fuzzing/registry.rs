//! Records from the registry: what is decoded has one encoding, and what a store takes was signed.

use std::time::Duration;

use bytes::Bytes;
use peer_protocol::limits::{MAX_CLOCK_SKEW, MAX_RECORD_LEN, RECORD_TTL};
use peer_protocol::registry::{Key, Limits, Origin, Place, Record, RecordStore, SignedRecord};
use peer_protocol::time::Timestamp;

use crate::people::identity;

/// The seeds are from this time.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Bytes in a signature.
const SIGNATURE: usize = 64;

/// The first byte chooses one of the record's keys, or none of them; the others are the record.
pub fn registry(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let limits = Limits { total: 4, per_source: 3, per_key: 2 };
    let mut store = RecordStore::new(Place::of(b"own"), [0; 32], limits);
    let Ok(signed) = SignedRecord::decode(bytes.to_vec()) else {
        let put = store.put(Origin::Peer(0), &[0; 32], bytes, NOW);
        assert!(put.is_err() && store.is_empty());
        assert_eq!(store.refusals().total(), 1);
        return;
    };
    assert!(bytes.len() <= MAX_RECORD_LEN);
    assert_eq!(signed.as_bytes(), bytes);
    let record = signed.record().clone();
    let keys = record.keys();
    let key = keys.get(usize::from(*choice)).copied().unwrap_or_else(wrong_key);
    let put = store.put(Origin::Peer(0), key.as_bytes(), bytes, NOW);
    assert_eq!(put.is_ok(), signed.verify(&key, NOW).is_ok());
    assert_eq!(store.len(), usize::from(put.is_ok()));
    let author = identity(0);
    if put.is_ok() {
        // Nobody else signs for this key; a corpus may hold what it signed.
        assert!(usize::from(*choice) < keys.len());
        assert!(record.last_seen <= NOW + MAX_CLOCK_SKEW && record.ttl <= RECORD_TTL);
        assert_eq!(store.get(&key, NOW).map(Bytes::as_ref), Some(bytes));
        assert_eq!(store.sweep(NOW + RECORD_TTL + MAX_CLOCK_SKEW), 1);
    } else {
        assert!(store.get(&key, NOW).is_none());
    }
    // Signed again, it differs in its signature only.
    if record.public_key == *author.public_key()
        && let Ok(again) = record.sign(&author)
    {
        assert_eq!(again.len(), bytes.len());
        let different = again.iter().zip(bytes).enumerate().filter(|(_, (a, b))| a != b);
        let mut places = different.map(|(at, _)| at);
        if let Some(first) = places.next() {
            let last = places.next_back().unwrap_or(first);
            assert!(last - first < SIGNATURE, "two encodings of one record");
        }
    }
}

fn wrong_key() -> Key {
    Key::of_entity(&"nobody-that-is-known".parse().expect("a valid entity id"))
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let author = identity(0);
    let addresses = vec!["/ip4/192.0.2.1/udp/4001/quic-v1".to_owned()];
    let names = ["search", "translate"].map(|name| name.parse().expect("a valid name"));
    let records = [
        Record::new(&author, addresses.clone(), names.to_vec(), NOW, RECORD_TTL),
        Record::new(&author, addresses, Vec::new(), NOW, Duration::from_secs(60)),
        Record::withdrawal(&author, names.to_vec(), NOW),
    ];
    let choices = [0_u8, 1, 3];
    let seed = |(record, choice): (&Record, u8)| {
        let bytes = record.sign(&author).expect("within all limits");
        [&[choice], &*bytes].concat()
    };
    records.iter().zip(choices).map(seed).collect()
}
