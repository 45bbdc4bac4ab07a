//! Replay guards and rate limits, against what they stand for: a list of everything that was ever taken,
//! and a bucket that is filled drop by drop.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use peer_protocol::id::Nonce;
use peer_protocol::limits::{MAX_CLOCK_SKEW, MAX_NONCES, MAX_RETRY_AFTER, NONCE_LIFETIME};
use peer_protocol::rate_limit::{KeyedLimiter, Quota, RateLimited, TokenBucket};
use peer_protocol::replay::{ReplayError, ReplayGuard};
use peer_protocol::time::{Instant, Timestamp};

/// The first byte chooses the guard or the buckets; then three bytes a step.
pub fn guards(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let steps = rest.chunks_exact(3).map(|step| [step[0], step[1], step[2]]);
    match first % 4 {
        0 => replay(ReplayGuard::default(), true, steps),
        1 => replay(ReplayGuard::within_session(MAX_CLOCK_SKEW), false, steps),
        2 => bucket(steps),
        _ => keys(steps),
    }
}

/// Clocks that go on, leap and are set back. A guard never takes a nonce twice; one of a session may, after
/// so long that the window of its record numbers is the one that refuses.
fn replay(mut guard: ReplayGuard, has_floor: bool, steps: impl Iterator<Item = [u8; 3]>) {
    let mut now: u64 = 1_800_000_000_000;
    let mut made: HashMap<u8, Timestamp> = HashMap::new();
    let mut taken: HashMap<u8, Timestamp> = HashMap::new();
    let mut latest = now;
    for [kind, name, amount] in steps {
        let amount = u64::from(amount);
        now = match kind % 8 {
            0 => now + amount * 1_000,
            1 => now.saturating_sub(amount * 1_000),
            2 => now + amount * 10,
            _ => now,
        };
        latest = latest.max(now);
        let clock = Timestamp::from_millis(now);
        let skewed = now + 70_000 - amount * 550;
        let timestamp = *made.entry(name).or_insert(Timestamp::from_millis(skewed));
        let nonce = Nonce::from_bytes([name; 16]);
        let before = guard.len();
        let checked = guard.check(timestamp, &nonce, clock);
        assert_eq!(guard.len(), before, "a check changed something");
        let is_skewed = timestamp.distance(clock) > MAX_CLOCK_SKEW;
        assert_eq!(matches!(checked, Err(ReplayError::Skewed { .. })), is_skewed);
        if taken.contains_key(&name) {
            // A clock that was ahead by more than any nonce lives locks nobody out (§2.6).
            let far =
                latest.saturating_sub(now) > (NONCE_LIFETIME + MAX_CLOCK_SKEW).as_millis() as u64;
            assert!(checked.is_err() || far || !has_floor, "nonce {name} was taken twice");
        } else if !is_skewed && taken.is_empty() {
            assert_eq!(checked, Ok(()), "nothing was seen yet");
        }
        if checked.is_ok() {
            guard.remember(timestamp, nonce, clock);
            taken.insert(name, timestamp);
            assert_eq!(guard.check(timestamp, &nonce, clock), Err(ReplayError::Repeated));
        }
        assert!(guard.len() <= taken.len().min(MAX_NONCES));
    }
}

/// One bucket, of every quota.
fn bucket(mut steps: impl Iterator<Item = [u8; 3]>) {
    let Some([high, low, burst]) = steps.next() else { return };
    let per_minute = u32::from(u16::from_be_bytes([high, low]));
    let quota = Quota { per_minute, burst: u32::from(burst) };
    let token = match per_minute {
        0 => MAX_RETRY_AFTER,
        rate => Duration::from_secs(60) / rate,
    };
    let mut now = Duration::from_secs(10_000);
    let mut credit = token.as_nanos() * u128::from(burst);
    let (mut bucket, full) = (TokenBucket::default(), credit);
    for [high, low, scale] in steps {
        let wait = Duration::from_nanos(u64::from(u16::from_be_bytes([high, low])) << (scale % 24));
        now += wait;
        credit = full.min(credit + wait.as_nanos());
        let enough = burst > 0 && credit >= token.as_nanos();
        let before = bucket;
        let instant = Instant::from_start(now);
        match bucket.take(quota, instant) {
            Ok(()) => credit -= token.as_nanos(),
            Err(RateLimited { retry_after }) => {
                assert!(retry_after <= MAX_RETRY_AFTER && !retry_after.is_zero());
                let mut again = before;
                if burst > 0 && retry_after < MAX_RETRY_AFTER {
                    assert!(again.take(quota, instant + retry_after).is_ok(), "told too early");
                }
                assert!(!enough, "there was a token");
                continue;
            }
        }
        assert!(enough, "there was no token");
    }
}

/// Buckets by key: one key's are as if it were alone, as long as it is remembered; memory is bounded.
fn keys(mut steps: impl Iterator<Item = [u8; 3]>) {
    let Some([per_minute, burst, capacity]) = steps.next() else { return };
    let quota = Quota { per_minute: u32::from(per_minute), burst: u32::from(burst) };
    let capacity = usize::from(capacity).max(1);
    let mut limiter = KeyedLimiter::new(quota, capacity);
    let mut alone: HashMap<u8, TokenBucket> = HashMap::new();
    let mut seen = HashSet::new();
    let mut now = Duration::from_secs(10_000);
    for [key, high, low] in steps {
        now += Duration::from_millis(u64::from(u16::from_be_bytes([high, low])));
        let instant = Instant::from_start(now);
        let taken = limiter.take(key, instant);
        seen.insert(key);
        assert!(limiter.len() <= capacity);
        // As long as no key had to be forgotten.
        if seen.len() <= capacity {
            assert_eq!(taken, alone.entry(key).or_default().take(quota, instant));
        }
    }
}

/// Steps for each of the four.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let steps = |first: u8, step: fn(u8) -> [u8; 3]| {
        let mut bytes = vec![first];
        bytes.extend((0..60).flat_map(step));
        bytes
    };
    vec![
        steps(0, |n| [n % 9, n % 20, 127]),
        steps(1, |n| [n / 8, n % 7, 100]),
        steps(2, |n| if n == 0 { [0, 60, 3] } else { [n, 200, n] }),
        steps(3, |n| if n == 0 { [60, 2, 10] } else { [n % 12, n, 0] }),
    ]
}
