//! How often requests may come, before anything is known of who makes them. What a peer may send once its
//! signature holds is for its link to say (§10).

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use peer_behaviours::Prefix;
use peer_protocol::rate_limit::{KeyedLimiter, Quota, RateLimited, TokenBucket};
use peer_protocol::time::Instant;

/// For one network, as much as one peer's sealed requests (§10.1); and for all.
const NETWORK: Quota = Quota { per_minute: 1_200, burst: 2_400 };
const ALL: Quota = Quota { per_minute: 12_000, burst: 12_000 };
/// Most networks remembered.
const REMEMBERED: usize = 4_096;

#[derive(Debug)]
pub(super) struct Rates(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    networks: KeyedLimiter<Prefix>,
    all: TokenBucket,
}

impl Default for Rates {
    fn default() -> Self {
        let networks = KeyedLimiter::new(NETWORK, REMEMBERED);
        Self(Mutex::new(Buckets { networks, all: TokenBucket::default() }))
    }
}

impl Rates {
    /// Takes a token for a request. The narrower limit is asked first: what it refuses costs others nothing.
    pub(super) fn take(&self, from: IpAddr, now: Instant) -> Result<(), RateLimited> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.networks.take(Prefix::of_ip(from), now)?;
        buckets.all.take(ALL, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_no_more() {
        let (rates, now) = (Rates::default(), Instant::default());
        let let_in =
            |ip: [u8; 4]| (0..20_000).filter(|_| rates.take(ip.into(), now).is_ok()).count();
        assert_eq!(let_in([192, 0, 2, 1]), 2_400);
        assert_eq!(let_in([192, 0, 2, 99]), 0);
        assert_eq!(let_in([198, 51, 100, 1]), 2_400);
        let rest: usize = (0..50).map(|third| let_in([203, 0, third, 1])).sum();
        assert_eq!(rest, 12_000 - 4_800);
    }
}
