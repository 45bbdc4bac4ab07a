//! Limits on started handshakes that no single link can see: per peer, whatever its link makes of
//! them, per IP prefix, and for the node as a whole. Peer ids are free; addresses are not
//! (`docs/PROTOCOL.md` §10.3).

use libp2p_core::PeerId;
use peer_protocol::rate_limit::{KeyedLimiter, Quota, RateLimited, TokenBucket};
use peer_protocol::time::Instant;

use crate::prefix::Prefix;

/// Most prefixes remembered, and most peers.
const REMEMBERED: usize = 4096;

/// Strangers that are told that they are refused; the others hear nothing.
const REFUSALS: Quota = Quota { per_minute: 1200, burst: 240 };

/// Quotas for started handshakes. Those that come over hops draw on quotas of their own, or whoever
/// sits behind a neighbour could spend what is the neighbour's (§12.8).
#[derive(Debug, Clone, Copy)]
pub struct GateConfig {
    /// Per peer, so that none spends what its neighbours have together.
    pub peer: Quota,
    /// Per IP prefix.
    pub prefix: Quota,
    /// For the node as a whole.
    pub node: Quota,
    /// How fast those of the node may be spent: each takes some 0.9 ms of a processor, which others need
    /// meanwhile.
    pub pace: Quota,
    /// Per neighbour that brings them over hops.
    pub routed: Quota,
    /// For all that come over hops.
    pub routed_node: Quota,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            peer: Quota { per_minute: 30, burst: 40 },
            prefix: Quota { per_minute: 120, burst: 240 },
            node: Quota { per_minute: 1200, burst: 2400 },
            pace: Quota { per_minute: 18_000, burst: 300 },
            routed: Quota { per_minute: 30, burst: 40 },
            routed_node: Quota { per_minute: 300, burst: 600 },
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
    paced: TokenBucket,
    pace: Quota,
    refusals: TokenBucket,
    neighbours: KeyedLimiter<PeerId>,
    routed: TokenBucket,
    routed_quota: Quota,
}

impl Gate {
    pub(crate) fn new(config: GateConfig) -> Self {
        Self {
            peers: KeyedLimiter::new(config.peer, REMEMBERED),
            prefixes: KeyedLimiter::new(config.prefix, REMEMBERED),
            node: TokenBucket::default(),
            quota: config.node,
            paced: TokenBucket::default(),
            pace: config.pace,
            refusals: TokenBucket::default(),
            neighbours: KeyedLimiter::new(config.routed, REMEMBERED),
            routed: TokenBucket::default(),
            routed_quota: config.routed_node,
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
        self.paced.take(self.pace, now)?;
        self.node.take(self.quota, now)
    }

    /// Whether a handshake of a peer with a session, or of one that is pinned, may start. Strangers cannot
    /// spend what it needs to renew its session.
    pub(crate) fn admit_known(&mut self, peer: PeerId, now: Instant) -> Result<(), RateLimited> {
        self.peers.take(peer, now)
    }

    /// Whether a stranger is told that it is refused.
    pub(crate) fn answers(&mut self, now: Instant) -> bool {
        self.refusals.take(REFUSALS, now).is_ok()
    }

    /// Whether a handshake that `neighbour` brings over hops, in whoever's name, may start.
    pub(crate) fn admit_routed(
        &mut self,
        neighbour: PeerId,
        now: Instant,
    ) -> Result<(), RateLimited> {
        self.neighbours.take(neighbour, now)?;
        self.routed.take(self.routed_quota, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: Prefix = Prefix::V4([192, 0, 2]);
    const ANOTHER: Prefix = Prefix::V4([198, 51, 100]);

    fn gate() -> Gate {
        Gate::new(GateConfig {
            peer: Quota { per_minute: 6, burst: 2 },
            prefix: Quota { per_minute: 6, burst: 3 },
            node: Quota { per_minute: 6, burst: 5 },
            pace: Quota { per_minute: 600, burst: 4 },
            routed: Quota { per_minute: 6, burst: 2 },
            routed_node: Quota { per_minute: 6, burst: 3 },
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
        let mut later = now;
        let mut from = |third| {
            later = later + Duration::from_millis(100);
            gate.admit(PeerId::random(), Prefix::V4([10, 0, third]), later)
        };
        assert_eq!((0..50).filter(|third| from(*third).is_ok()).count(), 5);
    }

    #[test]
    fn many_networks_do_not_get_all_that_the_node_has_at_once() {
        let (mut gate, now) = (gate(), Instant::default());
        let mut from =
            |third, now| gate.admit(PeerId::random(), Prefix::V4([10, 0, third]), now).is_ok();
        assert_eq!((0..100).filter(|third| from(*third, now)).count(), 4);
        assert!(from(100, now + Duration::from_millis(100)));
        assert!(!from(101, now + Duration::from_millis(100)));
    }

    #[test]
    fn few_strangers_are_told_that_they_are_refused() {
        let (mut gate, now) = (gate(), Instant::default());
        assert_eq!((0..1_000).filter(|_| gate.answers(now)).count(), 240);
        assert!(gate.answers(now + Duration::from_millis(50)));
    }

    #[test]
    fn strangers_leave_those_who_are_known_their_own_share() {
        let (mut gate, now, known) = (gate(), Instant::default(), PeerId::random());
        let mut from = |third| gate.admit(PeerId::random(), Prefix::V4([10, 0, third]), now);
        assert_eq!((0..100).filter(|third| from(*third).is_ok()).count(), 4);
        assert!(gate.admit(known, ANOTHER, now).is_err());
        let known = PeerId::random();
        let taken = (0..100).filter(|_| gate.admit_known(known, now).is_ok());
        assert_eq!(taken.count(), 2);
    }

    #[test]
    fn what_comes_over_hops_spends_nothing_of_its_neighbour_nor_of_direct_handshakes() {
        let (mut gate, now, neighbour) = (gate(), Instant::default(), PeerId::random());
        let brought = (0..100).filter(|_| gate.admit_routed(neighbour, now).is_ok());
        assert_eq!(brought.count(), 2);
        assert!(gate.admit(neighbour, ONE, now).is_ok());
        let others = (0..100).filter(|_| gate.admit_routed(PeerId::random(), now).is_ok());
        assert_eq!(others.count(), 1);
        let direct = (0..100).filter(|_| gate.admit(PeerId::random(), Prefix::Other, now).is_ok());
        assert_eq!(direct.count(), 3);
    }
}
