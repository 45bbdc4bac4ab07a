//! From where an address can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// From everywhere.
    Global,
    /// It is a name; where that leads is not known.
    Name,
    /// From the same private network: also behind a carrier's translator (100.64.0.0/10), and unique
    /// local IPv6 addresses.
    Private,
    /// From the same link.
    Link,
    /// From the same machine.
    Loopback,
    /// Over a relay.
    Relayed,
    /// From nowhere: unspecified, multicast, documentation, benchmarks, reserved, translated, or no
    /// address of IP at all.
    Nowhere,
}

impl Scope {
    /// The scope of an address.
    #[must_use]
    pub fn of(address: &Multiaddr) -> Self {
        if is_relayed(address) {
            return Self::Relayed;
        }
        match address.iter().next() {
            Some(Protocol::Ip4(ip)) => Self::of_ip(ip.into()),
            Some(Protocol::Ip6(ip)) => Self::of_ip(ip.into()),
            Some(
                Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_),
            ) => Self::Name,
            _ => Self::Nowhere,
        }
    }

    /// The scope of an IP address.
    #[must_use]
    pub fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }
}

const fn of_v4(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [127, ..] => Scope::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Scope::Private,
        [169, 254, ..] => Scope::Link,
        // This network, protocol assignments, documentation, old 6to4 relays, benchmarks, multicast
        // and reserved.
        [0, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [224..=255, ..] => Scope::Nowhere,
        _ => Scope::Global,
    }
}

const fn of_v6(ip: Ipv6Addr) -> Scope {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        [0xfe80..=0xfebf, ..] => Scope::Link,
        [0xfc00..=0xfdff, ..] => Scope::Private,
        // Teredo, benchmarks, ORCHID, documentation, 6to4, documentation again.
        [0x2001, 0 | 2 | 0x10..=0x2f | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            Scope::Nowhere
        }
        [0x2000..=0x3fff, ..] => Scope::Global,
        _ => Scope::Nowhere,
    }
}

/// Whether the address leads over a relay.
#[must_use]
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::P2pCircuit))
}

/// The IP address that an address begins with.
#[must_use]
pub fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_classified() {
        let relay = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
        for (address, scope) in [
            ("/ip4/8.8.8.8/tcp/1", Scope::Global),
            ("/ip4/172.15.0.1/tcp/1", Scope::Global),
            ("/ip4/172.32.0.1/tcp/1", Scope::Global),
            ("/ip4/100.63.0.1/tcp/1", Scope::Global),
            ("/ip4/100.128.0.1/tcp/1", Scope::Global),
            ("/ip4/192.0.1.1/tcp/1", Scope::Global),
            ("/ip4/223.255.255.255/tcp/1", Scope::Global),
            ("/ip6/2a00::1/udp/1/quic-v1", Scope::Global),
            ("/ip6/2001:4860::8888/tcp/1", Scope::Global),
            ("/ip4/10.0.0.1/tcp/1", Scope::Private),
            ("/ip4/172.16.0.1/tcp/1", Scope::Private),
            ("/ip4/172.31.255.1/tcp/1", Scope::Private),
            ("/ip4/192.168.0.1/tcp/1", Scope::Private),
            ("/ip4/100.64.0.1/tcp/1", Scope::Private),
            ("/ip4/100.127.0.1/tcp/1", Scope::Private),
            ("/ip6/fd00::1/tcp/1", Scope::Private),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Scope::Private),
            ("/ip4/169.254.0.1/tcp/1", Scope::Link),
            ("/ip6/fe80::1/tcp/1", Scope::Link),
            ("/ip4/127.0.0.1/tcp/1", Scope::Loopback),
            ("/ip4/127.255.0.1/tcp/1", Scope::Loopback),
            ("/ip6/::1/tcp/1", Scope::Loopback),
            ("/ip6/::ffff:127.0.0.1/tcp/1", Scope::Loopback),
            ("/ip4/0.0.0.0/tcp/1", Scope::Nowhere),
            ("/ip4/0.1.2.3/tcp/1", Scope::Nowhere),
            ("/ip4/192.0.2.1/tcp/1", Scope::Nowhere),
            ("/ip4/198.51.100.1/tcp/1", Scope::Nowhere),
            ("/ip4/203.0.113.1/tcp/1", Scope::Nowhere),
            ("/ip4/198.19.0.1/tcp/1", Scope::Nowhere),
            ("/ip4/224.0.0.251/tcp/1", Scope::Nowhere),
            ("/ip4/255.255.255.255/tcp/1", Scope::Nowhere),
            ("/ip6/::/tcp/1", Scope::Nowhere),
            ("/ip6/2001:db8::1/tcp/1", Scope::Nowhere),
            ("/ip6/2001::1/tcp/1", Scope::Nowhere),
            ("/ip6/2002:a00:1::1/tcp/1", Scope::Nowhere),
            ("/ip6/64:ff9b::a00:1/tcp/1", Scope::Nowhere),
            ("/ip6/ff02::fb/tcp/1", Scope::Nowhere),
            ("/memory/7", Scope::Nowhere),
            ("/dns/example.org/tcp/1", Scope::Name),
            ("/dnsaddr/example.org", Scope::Name),
        ] {
            let parsed: Multiaddr = address.parse().unwrap();
            assert_eq!(Scope::of(&parsed), scope, "{address}");
            let circuit: Multiaddr = format!("{address}/p2p/{relay}/p2p-circuit").parse().unwrap();
            assert_eq!(Scope::of(&circuit), Scope::Relayed, "{circuit}");
        }
    }
}
