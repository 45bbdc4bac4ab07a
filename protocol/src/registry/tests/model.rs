//! The store against a list that is searched from end to end.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const OWN: &[u8] = b"own";
const LIMITS: Limits = Limits { total: 6, per_source: 3, per_key: 2 };
const ENTITIES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Every entity under three keys at four times, live with two lives and withdrawn.
static POOL: LazyLock<Vec<(Record, Bytes)>> = LazyLock::new(|| {
    let mut pool = Vec::new();
    for entity in ENTITIES {
        for seed in 1..=3 {
            let identity = identity(entity, seed);
            for step in 0..4 {
                for ttl in [0, 20, 60] {
                    let mut record = record_of(&identity, NOW + step * 10 * SECOND);
                    record.ttl = Duration::from_secs(ttl);
                    if ttl == 0 {
                        record.addresses.clear();
                    }
                    let bytes = record.sign(&identity).unwrap();
                    pool.push((record, bytes));
                }
            }
        }
    }
    pool
});

struct Entry {
    key: Key,
    record: Record,
    bytes: Bytes,
    source: Option<u8>,
    expires: Timestamp,
}

#[derive(Default)]
struct Naive(Vec<Entry>);

impl Naive {
    fn distance(key: &Key) -> [u8; 32] {
        key.place().distance(&Place::of(OWN))
    }

    /// Removes the entry of another that arrived last under the farthest of these keys.
    fn evict(&mut self, under: impl Fn(&Key) -> bool) -> bool {
        let foreign = |entry: &&Entry| entry.source.is_some() && under(&entry.key);
        let Some(farthest) =
            self.0.iter().filter(foreign).map(|entry| Self::distance(&entry.key)).max()
        else {
            return false;
        };
        let last = |entry: &Entry| entry.source.is_some() && Self::distance(&entry.key) == farthest;
        let at = self.0.iter().rposition(last).unwrap();
        self.0.remove(at);
        true
    }

    fn put(
        &mut self,
        source: Option<u8>,
        key: Key,
        (record, bytes): &(Record, Bytes),
        now: Timestamp,
    ) -> Result<Accepted, Reason> {
        self.0.retain(|entry| entry.key != key || entry.expires > now);
        let millis = |time: Timestamp| i128::from(time.as_millis());
        let life = if record.ttl.is_zero() { RECORD_TTL } else { record.ttl };
        let expires = record.last_seen + life;
        if millis(record.last_seen) - millis(now) > 60_000 {
            return Err(Reason::Future);
        }
        if expires <= now {
            return Err(Reason::Expired);
        }
        let expires = expires.min(now + RECORD_TTL);
        let same =
            |entry: &&mut Entry| entry.key == key && entry.record.public_key == record.public_key;
        if let Some(held) = self.0.iter_mut().find(same) {
            let newer = record.last_seen > held.record.last_seen
                || record.last_seen == held.record.last_seen && bytes < &held.bytes;
            if !newer && *bytes != held.bytes {
                return Err(Reason::Superseded);
            }
            held.expires = expires;
            held.source = if source.is_none() { None } else { held.source };
            if !newer {
                return Ok(Accepted::Refreshed);
            }
            (held.record, held.bytes) = (record.clone(), bytes.clone());
            return Ok(Accepted::Stored);
        }
        let crowd = self.0.iter().filter(|entry| entry.key == key).count();
        if source.is_some() {
            if self.0.iter().filter(|entry| entry.source == source).count() >= LIMITS.per_source {
                return Err(Reason::SourceFull);
            }
            if crowd >= LIMITS.per_key {
                return Err(Reason::Crowded);
            }
            let farther = |entry: &Entry| {
                entry.source.is_some() && Self::distance(&entry.key) > Self::distance(&key)
            };
            if self.0.len() >= LIMITS.total && !self.0.iter().any(farther) {
                return Err(Reason::Full);
            }
        } else if crowd >= LIMITS.per_key {
            self.evict(|under| *under == key);
        }
        if self.0.len() >= LIMITS.total {
            self.evict(|_| true);
        }
        let (record, bytes) = (record.clone(), bytes.clone());
        self.0.push(Entry { key, record, bytes, source, expires });
        Ok(Accepted::Stored)
    }

    fn listed(&self) -> Vec<(Key, Bytes, Option<u8>, Timestamp)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|entry| (entry.key, entry.bytes.clone(), entry.source, entry.expires))
            .collect();
        all.sort_by_key(|(key, ..)| Self::distance(key));
        all
    }
}

fn listed(store: &RecordStore<u8>) -> Vec<(Key, Bytes, Option<u8>, Timestamp)> {
    let source = |origin: &Origin<u8>| match origin {
        Origin::Own => None,
        Origin::Peer(source) => Some(*source),
    };
    store
        .iter()
        .map(|stored| (stored.key, stored.value.clone(), source(stored.origin), stored.expires))
        .collect()
}

#[derive(Debug, Clone)]
enum Step {
    Put { source: Option<u8>, record: usize, key: usize },
    Wait { secs: u64 },
    Sweep,
    Remove { record: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_u8..5, any::<proptest::sample::Index>(), 0_usize..3).prop_map(
            |(source, record, key)| Step::Put {
                source: source.checked_sub(1),
                record: record.index(POOL.len()),
                key,
            }
        ),
        2 => (0_u64..25).prop_map(|secs| Step::Wait { secs }),
        1 => Just(Step::Sweep),
        1 => any::<proptest::sample::Index>()
            .prop_map(|record| Step::Remove { record: record.index(POOL.len()) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_store_agrees_with_a_plain_list(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut store = RecordStore::new(Place::of(OWN), [0; 32], LIMITS);
        let mut naive = Naive::default();
        let mut refused = 0;
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Put { source, record, key } => {
                    let entry = &POOL[record];
                    let key = entry.0.keys()[key];
                    let origin = source.map_or(Origin::Own, Origin::Peer);
                    let put = store.put(origin, key.as_bytes(), &entry.1, now);
                    let expected = naive.put(source, key, entry, now);
                    prop_assert_eq!(put.map_err(|refusal| Reason::from(&refusal)), expected);
                    refused += u64::from(expected.is_err());
                }
                Step::Wait { secs } => now = now + Duration::from_secs(secs),
                Step::Sweep => {
                    let before = naive.0.len();
                    naive.0.retain(|entry| entry.expires > now);
                    prop_assert_eq!(store.sweep(now), before - naive.0.len());
                }
                Step::Remove { record } => {
                    let (record, _) = &POOL[record];
                    let key = record.keys()[0];
                    let before = naive.0.len();
                    naive.0.retain(|entry| {
                        entry.key != key || entry.record.public_key != record.public_key
                    });
                    let removed = store.remove(&key, &record.public_key);
                    prop_assert_eq!(removed, naive.0.len() < before);
                }
            }
            prop_assert_eq!(listed(&store), naive.listed());
            prop_assert_eq!((store.len(), store.refusals().total()), (naive.0.len(), refused));
            for (key, ..) in listed(&store) {
                let alive = naive.0.iter().any(|entry| entry.key == key && entry.expires > now);
                prop_assert_eq!(store.get(&key, now).is_some(), alive);
            }
        }
    }
}
