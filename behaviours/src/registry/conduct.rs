//! Peers that pass on what no honest node keeps.
//!
//! Every honest node verifies what it stores, so that a record of bad shape, under a wrong key or
//! with a bad signature shows that its bringer is not honest. One that is too old or from the future
//! shows only that clocks differ.

use std::time::Duration;

use hashlink::LruCache;
use libp2p_core::PeerId;
use peer_protocol::registry::Reason;
use peer_protocol::time::Instant;

/// Most peers that are remembered.
const MAX_PEERS: usize = 1_024;
/// Bad records that are put up with.
const STRIKES: u32 = 3;
/// How long a peer is shunned, and how long a strike counts.
const SHUNNED: Duration = Duration::from_secs(3_600);

/// What is remembered of peers that brought bad records.
pub(super) struct Conduct {
    peers: LruCache<PeerId, Strikes>,
}

struct Strikes {
    count: u32,
    last: Instant,
}

impl Conduct {
    pub(super) fn new() -> Self {
        Self { peers: LruCache::new(MAX_PEERS) }
    }

    /// A peer brought a record that was refused for `reason`; returns whether it is shunned now.
    pub(super) fn strike(&mut self, peer: PeerId, reason: Reason, now: Instant) -> bool {
        if !is_lie(reason) {
            return false;
        }
        let count = match self.peers.get(&peer) {
            Some(strikes) if now.since(strikes.last) < SHUNNED => strikes.count.saturating_add(1),
            _ => 1,
        };
        self.peers.insert(peer, Strikes { count, last: now });
        count >= STRIKES
    }

    /// Whether a peer is to stay out of the routing table.
    pub(super) fn is_shunned(&self, peer: &PeerId, now: Instant) -> bool {
        self.peers
            .peek(peer)
            .is_some_and(|strikes| strikes.count >= STRIKES && now.since(strikes.last) < SHUNNED)
    }
}

const fn is_lie(reason: Reason) -> bool {
    match reason {
        Reason::TooLong
        | Reason::Malformed
        | Reason::WrongKey
        | Reason::Ttl
        | Reason::Identity
        | Reason::Signature => true,
        Reason::Future
        | Reason::Expired
        | Reason::Untrusted
        | Reason::Superseded
        | Reason::Crowded
        | Reason::SourceFull
        | Reason::Full => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_lies_is_shunned_for_an_hour() {
        let mut conduct = Conduct::new();
        let (liar, late, now) = (PeerId::random(), PeerId::random(), Instant::default());
        for round in 1..=STRIKES {
            assert_eq!(conduct.strike(liar, Reason::Signature, now), round == STRIKES);
            assert!(!conduct.strike(late, Reason::Expired, now));
        }
        assert!(conduct.is_shunned(&liar, now) && !conduct.is_shunned(&late, now));
        let later = now + SHUNNED;
        assert!(!conduct.is_shunned(&liar, later));
        assert!(!conduct.strike(liar, Reason::Malformed, later));
    }
}
