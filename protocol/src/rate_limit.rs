//! Token buckets per peer and class (`docs/PROTOCOL.md` §10).

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashlink::LruCache;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::MAX_RETRY_AFTER;
use crate::time::Instant;

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateClass {
    /// Started handshakes.
    Handshake,
    /// Heartbeats.
    Heartbeat,
    /// Tasks, reports and wake-ups.
    Task,
    /// Discovery and capability queries.
    Discovery,
    /// Chunks.
    Chunk,
    /// Requests to a mailbox node.
    Mailbox,
}

impl RateClass {
    /// All classes.
    pub const ALL: [Self; 6] =
        [Self::Handshake, Self::Heartbeat, Self::Task, Self::Discovery, Self::Chunk, Self::Mailbox];

    /// Its name, as in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::Task => "task",
            Self::Discovery => "discovery",
            Self::Chunk => "chunk",
            Self::Mailbox => "mailbox",
        }
    }
}

/// How often peers were over a rate, by class: all links of a node count into one.
#[derive(Debug, Default)]
pub struct LimitHits {
    counts: [AtomicU64; 6],
}

impl LimitHits {
    /// One more of `class`.
    pub fn count(&self, class: RateClass) {
        self.of(class).fetch_add(1, Ordering::Relaxed);
    }

    /// How many of `class` there were.
    #[must_use]
    pub fn get(&self, class: RateClass) -> u64 {
        self.of(class).load(Ordering::Relaxed)
    }

    const fn of(&self, class: RateClass) -> &AtomicU64 {
        let [handshake, heartbeat, task, discovery, chunk, mailbox] = &self.counts;
        match class {
            RateClass::Handshake => handshake,
            RateClass::Heartbeat => heartbeat,
            RateClass::Task => task,
            RateClass::Discovery => discovery,
            RateClass::Chunk => chunk,
            RateClass::Mailbox => mailbox,
        }
    }
}

/// How much a bucket holds and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Tokens that come in, per minute. Zero admits nothing once the burst is spent.
    pub per_minute: u32,
    /// Most tokens held at once, and how many there are at first.
    pub burst: u32,
}

impl Quota {
    const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }
}

/// One peer's quotas, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateProfile {
    /// Started handshakes.
    pub handshake: Quota,
    /// Heartbeats.
    pub heartbeat: Quota,
    /// Tasks, reports and wake-ups.
    pub task: Quota,
    /// Discovery and capability queries.
    pub discovery: Quota,
    /// Chunks.
    pub chunk: Quota,
    /// Requests to a mailbox node.
    pub mailbox: Quota,
}

impl Default for RateProfile {
    /// What peers get that the operator has not marked trusted.
    fn default() -> Self {
        Self {
            handshake: Quota::new(5, 10),
            heartbeat: Quota::new(60, 120),
            task: Quota::new(30, 60),
            discovery: Quota::new(10, 20),
            chunk: Quota::new(120, 240),
            mailbox: Quota::new(60, 120),
        }
    }
}

impl RateProfile {
    /// What pinned peers get: a thousand times as much, and more handshakes.
    #[must_use]
    pub const fn trusted() -> Self {
        Self {
            handshake: Quota::new(60, 60),
            heartbeat: Quota::new(60_000, 120_000),
            task: Quota::new(30_000, 60_000),
            discovery: Quota::new(10_000, 20_000),
            chunk: Quota::new(120_000, 240_000),
            mailbox: Quota::new(60_000, 120_000),
        }
    }

    /// The quota of one class.
    #[must_use]
    pub const fn quota(&self, class: RateClass) -> Quota {
        match class {
            RateClass::Handshake => self.handshake,
            RateClass::Heartbeat => self.heartbeat,
            RateClass::Task => self.task,
            RateClass::Discovery => self.discovery,
            RateClass::Chunk => self.chunk,
            RateClass::Mailbox => self.mailbox,
        }
    }
}

/// Over the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("over the rate limit; try again in {} ms", retry_after.as_millis())]
pub struct RateLimited {
    /// When a token will be there.
    pub retry_after: Duration,
}

/// A token bucket, kept as the time at which it will be full again.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// Takes one token.
    ///
    /// # Errors
    /// [`RateLimited`] if there is none; the bucket is then unchanged.
    pub fn take(&mut self, quota: Quota, now: Instant) -> Result<(), RateLimited> {
        if quota.burst == 0 {
            return Err(RateLimited { retry_after: MAX_RETRY_AFTER });
        }
        let token = match quota.per_minute {
            0 => MAX_RETRY_AFTER,
            rate => Duration::from_secs(60) / rate,
        };
        let full_at = self.full_at.max(now) + token;
        let wait = full_at.since(now).saturating_sub(token.saturating_mul(quota.burst));
        if wait.is_zero() {
            self.full_at = full_at;
            Ok(())
        } else {
            Err(RateLimited { retry_after: wait.min(MAX_RETRY_AFTER) })
        }
    }
}

/// The six buckets of one peer.
#[derive(Debug, Clone, Default)]
pub struct PeerLimiter {
    buckets: [TokenBucket; 6],
    hits: Arc<LimitHits>,
}

impl PeerLimiter {
    /// Full buckets; what is refused is counted in `hits`.
    #[must_use]
    pub fn counting(hits: Arc<LimitHits>) -> Self {
        Self { buckets: Default::default(), hits }
    }

    /// Takes one token of `class`.
    ///
    /// # Errors
    /// [`RateLimited`] if there is none.
    pub fn take(
        &mut self,
        profile: &RateProfile,
        class: RateClass,
        now: Instant,
    ) -> Result<(), RateLimited> {
        let [handshake, heartbeat, task, discovery, chunk, mailbox] = &mut self.buckets;
        let bucket = match class {
            RateClass::Handshake => handshake,
            RateClass::Heartbeat => heartbeat,
            RateClass::Task => task,
            RateClass::Discovery => discovery,
            RateClass::Chunk => chunk,
            RateClass::Mailbox => mailbox,
        };
        bucket.take(profile.quota(class), now).inspect_err(|_| self.hits.count(class))
    }
}

/// Buckets of one quota by key, bounded: the key used least recently is forgotten first. A shared
/// bucket above it keeps cycling through keys from paying off.
#[derive(Debug)]
pub struct KeyedLimiter<K> {
    quota: Quota,
    buckets: LruCache<K, TokenBucket>,
}

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// A limiter that remembers at most `capacity` keys.
    #[must_use]
    pub fn new(quota: Quota, capacity: usize) -> Self {
        Self { quota, buckets: LruCache::new(capacity.max(1)) }
    }

    /// Takes one token of `key`.
    ///
    /// # Errors
    /// [`RateLimited`] if there is none.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), RateLimited> {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(self.quota, now);
        }
        let mut bucket = TokenBucket::default();
        let taken = bucket.take(self.quota, now);
        self.buckets.insert(key, bucket);
        taken
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no key is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook bucket, in whole nanoseconds of credit.
    struct Naive {
        credit: u128,
        last: Duration,
    }

    impl Naive {
        fn take(&mut self, quota: Quota, now: Duration) -> bool {
            let token = (Duration::from_secs(60) / quota.per_minute).as_nanos();
            let full = token * u128::from(quota.burst);
            self.credit = full.min(self.credit + (now - self.last).as_nanos());
            self.last = now;
            let enough = self.credit >= token;
            if enough {
                self.credit -= token;
            }
            enough
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook_bucket(
            per_minute in 1_u32..600,
            burst in 1_u32..50,
            waits in proptest::collection::vec(0_u64..5_000, 1..200),
        ) {
            let quota = Quota { per_minute, burst };
            let mut now = Duration::from_secs(3600);
            let mut naive = Naive { credit: u128::MAX / 2, last: now };
            naive.credit = (Duration::from_secs(60) / per_minute).as_nanos() * u128::from(burst);
            let mut bucket = TokenBucket::default();
            for wait in waits {
                now += Duration::from_millis(wait);
                let instant = Instant::from_start(now);
                let mut again = bucket;
                let taken = bucket.take(quota, instant);
                prop_assert_eq!(taken.is_ok(), naive.take(quota, now));
                if let Err(RateLimited { retry_after }) = taken {
                    prop_assert!(again.take(quota, instant + retry_after).is_ok());
                    prop_assert!(
                        again.take(quota, instant + retry_after - Duration::from_nanos(1)).is_err()
                    );
                }
            }
        }
    }

    #[test]
    fn the_seeds_numbers_are_the_default() {
        let profile = RateProfile::default();
        for (class, per_minute, burst) in [
            (RateClass::Handshake, 5, 10),
            (RateClass::Heartbeat, 60, 120),
            (RateClass::Task, 30, 60),
            (RateClass::Discovery, 10, 20),
            (RateClass::Chunk, 120, 240),
            (RateClass::Mailbox, 60, 120),
        ] {
            assert_eq!(profile.quota(class), Quota { per_minute, burst });
            let counted = Arc::new(LimitHits::default());
            let mut limiter = PeerLimiter::counting(Arc::clone(&counted));
            let now = Instant::from_start(Duration::from_secs(1));
            let taken = (0..1000).filter(|_| limiter.take(&profile, class, now).is_ok()).count();
            assert_eq!(taken, burst as usize);
            let hits = RateClass::ALL.map(|class| counted.get(class));
            let refused = |other| if other == class { 1000 - u64::from(burst) } else { 0 };
            assert_eq!(hits, RateClass::ALL.map(refused));
        }
    }

    #[test]
    fn a_class_is_called_as_in_configuration() {
        for class in RateClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }

    #[test]
    fn memory_for_keys_is_bounded() {
        let mut limiter = KeyedLimiter::new(Quota { per_minute: 5, burst: 1 }, 100);
        assert!(limiter.is_empty());
        for key in 0..10_000 {
            assert!(limiter.take(key, Instant::default()).is_ok());
        }
        assert_eq!((limiter.len(), limiter.is_empty()), (100, false));
        assert!(limiter.take(9_999, Instant::default()).is_err());
    }
}
