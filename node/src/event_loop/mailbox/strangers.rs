//! Mail of keys that this node knows nothing of. Keys cost nothing; a link with one, and a place in the
//! directory, do. What is not taken up now stays at its mailbox node and is fetched again.

use peer_protocol::crypto::PublicKey;
use peer_protocol::rate_limit::{KeyedLimiter, Quota, TokenBucket};
use peer_protocol::time::Instant;

/// Items of all strangers together.
const ALL: Quota = Quota { per_minute: 120, burst: 240 };
/// Most strangers of which it is remembered how much they sent.
const MAX_STRANGERS: usize = 4_096;

/// How much of it is taken up.
#[derive(Debug)]
pub(super) struct Strangers {
    all: TokenBucket,
    each: KeyedLimiter<PublicKey>,
}

impl Strangers {
    /// Of each as many items as it may send tasks.
    pub(super) fn new(tasks: Quota) -> Self {
        Self { all: TokenBucket::default(), each: KeyedLimiter::new(tasks, MAX_STRANGERS) }
    }

    /// Whether an item of this stranger is taken up now.
    pub(super) fn admit(&mut self, key: &PublicKey, now: Instant) -> bool {
        // Whoever is over its own rate takes nothing from the others.
        self.each.take(*key, now).is_ok() && self.all.take(ALL, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator};
    use peer_protocol::rate_limit::RateProfile;

    use super::*;

    fn key(number: u16) -> PublicKey {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        Ed25519Authenticator::from_seed(&seed).public_key()
    }

    #[test]
    fn strangers_have_a_rate_each_and_one_together() {
        let tasks = RateProfile::default().task;
        let mut strangers = Strangers::new(tasks);
        let now = Instant::from_start(Duration::from_secs(3_600));
        let one = (0..1_000).filter(|_| strangers.admit(&key(0), now)).count();
        assert_eq!(one, tasks.burst as usize);
        let many = (1..1_000).filter(|number| strangers.admit(&key(*number), now)).count();
        assert_eq!(many, (ALL.burst - tasks.burst) as usize, "however many keys there are");
        assert!(strangers.each.len() <= MAX_STRANGERS);
        let later = now + Duration::from_secs(60);
        let more = (1_000..2_000).filter(|number| strangers.admit(&key(*number), later)).count();
        assert_eq!(more, ALL.per_minute as usize);
    }
}
