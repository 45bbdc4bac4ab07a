//! Limits on started handshakes that no single link can see: per IP prefix, and for the node as a
//! whole. Peer ids are free; addresses are not (`docs/PROTOCOL.md` §10.3).

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use peer_protocol::rate_limit::{KeyedLimiter, Quota, RateLimited, TokenBucket};
use peer_protocol::time::Instant;

/// Most prefixes remembered.
const MAX_PREFIXES: usize = 4096;

/// The network a connection comes from: an IPv4 /24, an IPv6 /48, or something without addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    V4([u8; 3]),
    V6([u16; 3]),
    Other,
}

impl Prefix {
    pub(crate) fn of(address: &Multiaddr) -> Self {
        for protocol in address {
            match protocol {
                Protocol::Ip4(ip) => {
                    let [a, b, c, _] = ip.octets();
                    return Self::V4([a, b, c]);
                }
                Protocol::Ip6(ip) => {
                    let [a, b, c, ..] = ip.segments();
                    return Self::V6([a, b, c]);
                }
                _ => {}
            }
        }
        Self::Other
    }
}

/// Quotas for started handshakes.
#[derive(Debug, Clone, Copy)]
pub struct GateConfig {
    /// Per IP prefix.
    pub prefix: Quota,
    /// For the node as a whole.
    pub node: Quota,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            prefix: Quota { per_minute: 120, burst: 240 },
            node: Quota { per_minute: 1200, burst: 2400 },
        }
    }
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    prefixes: KeyedLimiter<Prefix>,
    node: TokenBucket,
    quota: Quota,
}

impl Gate {
    pub(crate) fn new(config: GateConfig) -> Self {
        Self {
            prefixes: KeyedLimiter::new(config.prefix, MAX_PREFIXES),
            node: TokenBucket::default(),
            quota: config.node,
        }
    }

    /// Whether a handshake from `prefix` may start.
    pub(crate) fn admit(&mut self, prefix: Prefix, now: Instant) -> Result<(), RateLimited> {
        self.prefixes.take(prefix, now)?;
        self.node.take(self.quota, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(GateConfig {
            prefix: Quota { per_minute: 6, burst: 3 },
            node: Quota { per_minute: 6, burst: 5 },
        })
    }

    fn prefix(address: &str) -> Prefix {
        Prefix::of(&address.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_prefix() {
        assert_eq!(prefix("/ip4/192.0.2.1/tcp/1"), prefix("/ip4/192.0.2.200/udp/9/quic-v1"));
        assert_ne!(prefix("/ip4/192.0.2.1/tcp/1"), prefix("/ip4/192.0.3.1/tcp/1"));
        assert_eq!(prefix("/ip6/2001:db8:1:2::1/tcp/1"), prefix("/ip6/2001:db8:1:3::9/tcp/1"));
        assert_ne!(prefix("/ip6/2001:db8:1::1/tcp/1"), prefix("/ip6/2001:db8:2::1/tcp/1"));
        assert_eq!(prefix("/memory/7"), Prefix::Other);
    }

    #[test]
    fn many_identities_from_one_network_do_not_get_more_handshakes() {
        let (mut gate, now) = (gate(), Instant::default());
        let taken = (0..100).filter(|_| gate.admit(prefix("/ip4/192.0.2.1/tcp/1"), now).is_ok());
        assert_eq!(taken.count(), 3);
        assert!(gate.admit(prefix("/ip4/198.51.100.1/tcp/1"), now).is_ok());
    }

    #[test]
    fn many_networks_do_not_get_more_than_the_node_has() {
        let (mut gate, now) = (gate(), Instant::default());
        let from = |third: u8| Prefix::V4([10, 0, third]);
        assert_eq!((0..100).filter(|third| gate.admit(from(*third), now).is_ok()).count(), 5);
    }
}
