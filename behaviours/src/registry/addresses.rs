//! Which addresses of others are worth keeping and dialling.

use hashlink::LinkedHashSet;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::{Multiaddr, PeerId};

use crate::prefix::Prefix;

/// Most addresses of one peer in the routing table.
pub(super) const MAX_ADDRESSES: usize = 4;
/// Most addresses that one dial tries.
pub(super) const MAX_DIALLED: usize = 8;
/// Most names remembered at which peers were met.
const MAX_MET: usize = 256;
/// Longest address in the routing table, in bytes. Twenty peers then fit one answer.
const MAX_LEN: usize = 160;

/// Whether `address` may be one of `peer`.
pub(super) fn is_usable(address: &Multiaddr, peer: &PeerId, local: bool) -> bool {
    address.len() <= MAX_LEN
        // A name counts as local: where it leads is not known.
        && (local || !Prefix::of(address).is_local())
        && names(address, peer)
        && address.iter().next().is_some_and(|first| match first {
            Protocol::Ip4(ip) => !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
            Protocol::Ip6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_) => true,
            Protocol::Memory(_) => true,
            _ => false,
        })
        && !address.iter().any(|part| {
            // Whoever is reached over a relay only serves nobody.
            matches!(part, Protocol::Tcp(0) | Protocol::Udp(0) | Protocol::P2pCircuit)
        })
}

fn is_name(address: &Multiaddr) -> bool {
    address.iter().any(|part| {
        matches!(
            part,
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)
        )
    })
}

/// Names at which this node has met a peer, so that nobody else had to say where they lead. The oldest
/// goes first.
#[derive(Debug, Default)]
pub(super) struct Met(LinkedHashSet<(PeerId, Multiaddr)>);

impl Met {
    /// This node has dialled the peer there.
    pub(super) fn insert(&mut self, peer: PeerId, address: &Multiaddr) {
        if is_name(address) {
            self.0.insert((peer, bare(address)));
            if self.0.len() > MAX_MET {
                self.0.pop_front();
            }
        }
    }

    pub(super) fn contains(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        self.0.contains(&(*peer, bare(address)))
    }
}

fn bare(address: &Multiaddr) -> Multiaddr {
    let mut bare = address.clone();
    if matches!(bare.iter().last(), Some(Protocol::P2p(_))) {
        bare.pop();
    }
    bare
}

/// Whether the peer that the address ends with, if with any, is this one.
fn names(address: &Multiaddr, peer: &PeerId) -> bool {
    match address.iter().last() {
        Some(Protocol::P2p(named)) => named == *peer,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_lead_to_the_peer_are_used() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let usable = |address: &str, local| is_usable(&address.parse().unwrap(), &peer, local);
        for good in ["/ip4/198.51.100.7/tcp/1", "/ip6/2001:db8::1/udp/9/quic-v1"] {
            assert!(usable(good, true) && usable(good, false), "{good}");
        }
        for local in [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/10.0.0.1/tcp/9/ws",
            "/ip6/::1/tcp/1",
            "/memory/7",
            "/dns/x.org/tcp/1",
        ] {
            assert!(usable(local, true) && !usable(local, false), "{local}");
        }
        for bad in ["/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/udp/1", "/ip6/::/tcp/1", "/tcp/1"] {
            assert!(!usable(bad, true), "{bad}");
        }
        assert!(!usable("/ip4/198.51.100.7/tcp/0", true));
        assert!(usable(&format!("/ip4/198.51.100.7/tcp/1/p2p/{peer}"), true));
        assert!(!usable(&format!("/ip4/198.51.100.7/tcp/1/p2p/{other}"), true));
        let relayed = format!("/ip4/198.51.100.7/tcp/1/p2p/{other}/p2p-circuit/p2p/{peer}");
        assert!(!usable(&relayed, true));
        assert!(!usable(&format!("/dns/{}/tcp/1", "x".repeat(200)), true));
    }

    #[test]
    fn names_at_which_peers_were_met_are_remembered_but_not_for_ever() {
        let peer = PeerId::random();
        let name = |number| format!("/dns/x{number}.org/tcp/1").parse::<Multiaddr>().unwrap();
        let mut met = Met::default();
        met.insert(peer, &"/ip4/10.0.0.1/tcp/1".parse().unwrap());
        for number in 0..=MAX_MET {
            met.insert(peer, &name(number).with_p2p(peer).unwrap());
        }
        assert_eq!(met.0.len(), MAX_MET);
        assert!(met.contains(&peer, &name(1)) && !met.contains(&peer, &name(0)));
        assert!(!met.contains(&PeerId::random(), &name(1)));
    }
}
