//! Limits on started handshakes that no single link can see: per peer, whatever its link makes of
//! them, per IP prefix, and for the node as a whole. Peer ids are free; addresses are not
//! (`docs/PROTOCOL.md` §10.3).

use libp2p_core::PeerId;
use peer_protocol::rate_limit::{KeyedLimiter, Quota, RateLimited, TokenBucket};
use peer_protocol::time::Instant;

use crate::prefix::Prefix;

/// Most prefixes remembered, and most peers.
const REMEMBERED: usize = 4096;

/// Quotas for started handshakes.
#[derive(Debug, Clone, Copy)]
pub struct GateConfig {
    /// Per peer, so that none spends what its neighbours have together.
    pub peer: Quota,
    /// Per IP prefix.
    pub prefix: Quota,
    /// For the node as a whole.
    pub node: Quota,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            peer: Quota { per_minute: 30, burst: 40 },
            prefix: Quota { per_minute: 120, burst: 240 },
            node: Quota { per_minute: 1200, burst: 2400 },
        }
    }
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    peers: KeyedLimiter<PeerId>,
    prefixes: KeyedLimiter<Prefix>,
    node: TokenBucket,
    quota: Quota,
}

impl Gate {
    pub(crate) fn new(config: GateConfig) -> Self {
        Self {
            peers: KeyedLimiter::new(config.peer, REMEMBERED),
            prefixes: KeyedLimiter::new(config.prefix, REMEMBERED),
            node: TokenBucket::default(),
            quota: config.node,
        }
    }

    /// Whether a handshake of `peer`, which comes from `prefix`, may start. The narrowest limit is
    /// asked first: what it refuses costs the others nothing.
    pub(crate) fn admit(
        &mut self,
        peer: PeerId,
        prefix: Prefix,
        now: Instant,
    ) -> Result<(), RateLimited> {
        self.peers.take(peer, now)?;
        self.prefixes.take(prefix, now)?;
        self.node.take(self.quota, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Prefix = Prefix::V4([192, 0, 2]);
    const ANOTHER: Prefix = Prefix::V4([198, 51, 100]);

    fn gate() -> Gate {
        Gate::new(GateConfig {
            peer: Quota { per_minute: 6, burst: 2 },
            prefix: Quota { per_minute: 6, burst: 3 },
            node: Quota { per_minute: 6, burst: 5 },
        })
    }

    #[test]
    fn one_peer_leaves_its_neighbours_their_share() {
        let (mut gate, now, greedy) = (gate(), Instant::default(), PeerId::random());
        let taken = (0..100).filter(|_| gate.admit(greedy, ONE, now).is_ok());
        assert_eq!(taken.count(), 2);
        assert!(gate.admit(PeerId::random(), ONE, now).is_ok());
    }

    #[test]
    fn many_identities_from_one_network_do_not_get_more_handshakes() {
        let (mut gate, now) = (gate(), Instant::default());
        let taken = (0..100).filter(|_| gate.admit(PeerId::random(), ONE, now).is_ok());
        assert_eq!(taken.count(), 3);
        assert!(gate.admit(PeerId::random(), ANOTHER, now).is_ok());
    }

    #[test]
    fn many_networks_do_not_get_more_than_the_node_has() {
        let (mut gate, now) = (gate(), Instant::default());
        let mut from = |third| gate.admit(PeerId::random(), Prefix::V4([10, 0, third]), now);
        assert_eq!((0..100).filter(|third| from(*third).is_ok()).count(), 5);
    }
}
