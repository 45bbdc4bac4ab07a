//! The network that a connection comes from: identities are free, addresses are not.

use std::net::IpAddr;

use libp2p_core::multiaddr::Protocol;
use libp2p_core::{ConnectedPoint, Multiaddr, PeerId};

/// An IPv4 /24, an IPv6 /48, a relay, or something without addresses.
///
/// A relay stands for everybody behind it, and its own IP address for nobody: the relay's neighbours
/// are not taken for its clients, nor its clients for one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prefix {
    /// An IPv4 network.
    V4([u8; 3]),
    /// An IPv6 network.
    V6([u16; 3]),
    /// Whoever is behind this relay.
    Relay(PeerId),
    /// No address.
    Other,
}

impl Prefix {
    /// Where the other side of a connection is.
    pub(crate) fn at(endpoint: &ConnectedPoint) -> Self {
        match endpoint {
            ConnectedPoint::Dialer { address, .. } => Self::of(address),
            ConnectedPoint::Listener { local_addr, send_back_addr } => {
                Self::between(local_addr, send_back_addr)
            }
        }
    }

    /// Where an incoming connection is from. One over a relay comes in at a local address that names
    /// the relay, and from none.
    pub(crate) fn between(local: &Multiaddr, remote: &Multiaddr) -> Self {
        relay_of(local).map_or_else(|| Self::of(remote), Self::Relay)
    }

    pub(crate) fn of(address: &Multiaddr) -> Self {
        if let Some(relay) = relay_of(address) {
            return Self::Relay(relay);
        }
        let ip = address.iter().find_map(|protocol| match protocol {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        });
        ip.map_or(Self::Other, Self::of_ip)
    }

    /// The network of an address.
    #[must_use]
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, ..] = ip.segments();
                Self::V6([a, b, c])
            }
        }
    }

    /// Whether only this machine, its own network or a translator in front of it has such
    /// addresses: then one address may well stand for many peers.
    pub(crate) const fn is_local(self) -> bool {
        match self {
            Self::V4([10 | 127, ..] | [169, 254, _] | [192, 168, _]) => true,
            Self::V4([172, second, _]) => second & 0xf0 == 16,
            Self::V4([100, second, _]) => second & 0xc0 == 64,
            Self::V4(_) => false,
            // The loopback address is ::1.
            Self::V6([0, 0, 0]) => true,
            Self::V6([first, ..]) => first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80,
            Self::Relay(_) => false,
            Self::Other => true,
        }
    }
}

/// The relay that an address leads over.
fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut relay = None;
    for protocol in address {
        match protocol {
            Protocol::P2p(peer) => relay = Some(peer),
            Protocol::P2pCircuit => return relay,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> Prefix {
        Prefix::of(&address.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_prefix() {
        assert_eq!(prefix("/ip4/192.0.2.1/tcp/1"), prefix("/ip4/192.0.2.200/udp/9/quic-v1"));
        assert_ne!(prefix("/ip4/192.0.2.1/tcp/1"), prefix("/ip4/192.0.3.1/tcp/1"));
        assert_eq!(prefix("/ip6/2001:db8:1:2::1/tcp/1"), prefix("/ip6/2001:db8:1:3::9/tcp/1"));
        assert_ne!(prefix("/ip6/2001:db8:1::1/tcp/1"), prefix("/ip6/2001:db8:2::1/tcp/1"));
        assert_eq!(prefix("/ip6/::ffff:192.0.2.9/tcp/1"), prefix("/ip4/192.0.2.1/tcp/1"));
        assert_eq!(prefix("/memory/7"), Prefix::Other);
    }

    #[test]
    fn a_relay_stands_for_those_behind_it_and_not_for_its_own_network() {
        let relay = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
        let circuit = format!("/ip4/192.0.2.1/tcp/1/p2p/{relay}/p2p-circuit");
        let expected = Prefix::Relay(relay.parse().unwrap());
        assert_eq!(prefix(&circuit), expected);
        let remote: Multiaddr = format!("/p2p/{relay}").parse().unwrap();
        assert_eq!(Prefix::between(&circuit.parse().unwrap(), &remote), expected);
        assert!(!expected.is_local());
        assert_ne!(prefix(&format!("/ip4/192.0.2.1/tcp/1/p2p/{relay}")), expected);
    }

    #[test]
    fn local_addresses_are_told_from_public_ones() {
        for local in [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/10.1.2.3/tcp/1",
            "/ip4/172.31.0.1/tcp/1",
            "/ip4/192.168.7.1/tcp/1",
            "/ip4/169.254.1.1/tcp/1",
            "/ip4/100.100.0.1/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/::ffff:127.0.0.1/tcp/1",
            "/memory/7",
        ] {
            assert!(prefix(local).is_local(), "{local}");
        }
        for public in [
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/172.32.0.1/tcp/1",
            "/ip4/100.128.0.1/tcp/1",
            "/ip6/2001:db8::1/tcp/1",
        ] {
            assert!(!prefix(public).is_local(), "{public}");
        }
    }
}
