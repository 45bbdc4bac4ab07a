//! Replay guards at their limits.

use std::time::Duration;

use peer_protocol::id::Nonce;
use peer_protocol::limits::{MAX_CLOCK_SKEW, NONCE_LIFETIME};
use peer_protocol::replay::{ReplayError, ReplayGuard};
use peer_protocol::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MILLISECOND: Duration = Duration::from_millis(1);

fn nonce(number: u8) -> Nonce {
    Nonce::from_bytes([number; 16])
}

/// However large a skew the operator allows, a nonce outlives its timestamp.
#[test]
fn no_timestamp_stays_acceptable_for_longer_than_half_the_life_of_a_nonce() {
    let guard = ReplayGuard::new(Duration::from_secs(3600));
    let limit = NONCE_LIFETIME / 2;
    assert_eq!(guard.check(NOW + limit, &nonce(1), NOW), Ok(()));
    assert_eq!(guard.check(NOW - limit, &nonce(1), NOW), Ok(()));
    let skew = limit + MILLISECOND;
    let refused = Err(ReplayError::Skewed { skew, limit });
    assert_eq!(guard.check(NOW + skew, &nonce(1), NOW), refused);
    assert_eq!(guard.check(NOW - skew, &nonce(1), NOW), refused);
}

/// A clock that was set back believes what it had forgotten until nobody could be locked out by that for
/// less than the life of a nonce.
#[test]
fn what_was_forgotten_counts_until_it_is_out_of_reach() {
    let mut guard = ReplayGuard::default();
    let later = NOW + NONCE_LIFETIME + MILLISECOND;
    guard.remember(NOW, nonce(1), NOW);
    guard.remember(later, nonce(2), later);
    assert_eq!(guard.len(), 1, "the first has expired");
    let back = NOW - (MAX_CLOCK_SKEW + NONCE_LIFETIME);
    assert_eq!(guard.check(back, &nonce(3), back), Err(ReplayError::Forgotten));
    let further = back - MILLISECOND;
    assert_eq!(guard.check(further, &nonce(3), further), Ok(()));
}

#[test]
fn a_nonce_is_remembered_to_the_end_of_its_life() {
    let mut guard = ReplayGuard::default();
    assert!(guard.is_empty());
    let (end, after) = (NOW + NONCE_LIFETIME, NOW + NONCE_LIFETIME + MILLISECOND);
    guard.remember(NOW, nonce(1), NOW);
    guard.remember(end, nonce(2), end);
    assert!(!guard.is_empty() && guard.len() == 2);
    guard.remember(after, nonce(3), after);
    assert_eq!(guard.len(), 2, "the first is gone");
}
