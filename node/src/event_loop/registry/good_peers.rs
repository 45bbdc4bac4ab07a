//! Which peers a node remembers for its next start, and where.
//!
//! Strangers that come in must not push out those that are of use: what counts first is what a
//! stranger cannot bring about alone, and no network has more than a few places.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use libp2p::Multiaddr;
use peer_behaviours::reachability::scope::{ip_of, is_relayed};

use crate::directory::peer_of;
use crate::store::Remembered;

/// Most peers remembered.
const MAX_PEERS: usize = 128;
/// Most of them in one network: /24, /48 for IPv6. Those that the operator chose do not count.
const MAX_PER_NETWORK: usize = 8;
/// Most addresses remembered of each.
const MAX_ADDRESSES: usize = 8;

/// A peer that was connected.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Whether the operator chose it: it is kept connected, or its key is pinned.
    pub(super) chosen: bool,
    /// Whether a session with it was ready.
    pub(super) had_session: bool,
    /// Where this node dialled it, the newest last.
    pub(super) dialled: Vec<Multiaddr>,
    /// Where the registry's routing table has it; none if it is not in there.
    pub(super) table: Option<Vec<Multiaddr>>,
    /// When it was last connected, in ms since the Unix epoch.
    pub(super) seen: u64,
}

/// The best of them, the best first. Of those that are nowhere to be dialled none is remembered.
pub(super) fn choose(mut candidates: Vec<Candidate>) -> Vec<Remembered> {
    candidates.sort_by_cached_key(|it| {
        let rank = (it.chosen, it.had_session, !it.dialled.is_empty(), it.seen);
        (Reverse(rank), it.dialled.last().map(Multiaddr::to_vec))
    });
    let mut networks: HashMap<Option<IpAddr>, usize> = HashMap::new();
    let mut peers = Vec::new();
    for candidate in candidates {
        if peers.len() == MAX_PEERS {
            break;
        }
        let Candidate { chosen, dialled, table, seen, .. } = candidate;
        let routing = table.is_some();
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in dialled.into_iter().rev().chain(table.into_iter().flatten()) {
            if addresses.len() < MAX_ADDRESSES
                && !is_relayed(&address)
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        let Some(first) = addresses.first() else { continue };
        if !chosen {
            let count = networks.entry(ip_of(first).map(network)).or_default();
            if *count == MAX_PER_NETWORK {
                continue;
            }
            *count += 1;
        }
        let addresses = addresses.iter().map(ToString::to_string).collect();
        peers.push(Remembered { addresses, seen, routing });
    }
    peers
}

/// Those of an earlier run that have not been met in this one keep the places that are left.
pub(super) fn keep_old(peers: &mut Vec<Remembered>, old: &[Remembered]) {
    let id = |peer: &Remembered| peer_of(&peer.addresses.first()?.parse().ok()?);
    let met: HashSet<_> = peers.iter().filter_map(id).collect();
    let left = MAX_PEERS.saturating_sub(peers.len());
    let unmet = |peer: &&Remembered| id(peer).is_some_and(|id| !met.contains(&id));
    peers.extend(old.iter().filter(unmet).take(left).cloned());
}

/// The first address of the network that an address belongs to.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & (u32::MAX << 8)).into()),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & (u128::MAX << 80))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    /// A stranger that came in, and says a moment ago.
    fn stranger(seen: u64) -> Candidate {
        let (dialled, table) = (Vec::new(), None);
        Candidate { chosen: false, had_session: false, dialled, table, seen }
    }

    fn firsts(candidates: Vec<Candidate>) -> Vec<String> {
        choose(candidates).into_iter().map(|peer| peer.addresses[0].clone()).collect()
    }

    #[test]
    fn strangers_do_not_push_out_whom_the_node_knows() {
        let flood = |n: u32| Candidate {
            table: Some(vec![at(&format!("/ip4/{}/tcp/1", std::net::Ipv4Addr::from(n << 8)))]),
            ..stranger(1_000_000)
        };
        let mut candidates: Vec<_> = (0x0b_0000..0x0b_1000).map(flood).collect();
        candidates.push(Candidate { dialled: vec![at("/ip4/9.0.0.3/tcp/1")], ..stranger(3) });
        candidates.push(Candidate {
            had_session: true,
            dialled: vec![at("/ip4/9.0.0.2/tcp/1")],
            ..stranger(2)
        });
        candidates.push(Candidate {
            chosen: true,
            dialled: vec![at("/ip4/9.0.0.1/tcp/1")],
            ..stranger(1)
        });
        let chosen = firsts(candidates);
        assert_eq!(chosen.len(), MAX_PEERS);
        let expected = ["/ip4/9.0.0.1/tcp/1", "/ip4/9.0.0.2/tcp/1", "/ip4/9.0.0.3/tcp/1"];
        assert_eq!(chosen[..3], expected);
    }

    #[test]
    fn a_network_has_only_so_many_places_unless_the_operator_chose_its_peers() {
        let with = |address: String, chosen| {
            let dialled = vec![at(&address)];
            Candidate { chosen, had_session: true, dialled, ..stranger(9) }
        };
        let mut candidates: Vec<_> =
            (0..50).map(|n| with(format!("/ip4/192.0.2.{n}/tcp/1"), false)).collect();
        candidates.extend((0..50).map(|n| with(format!("/ip6/2001:db8:1:{n:x}::1/tcp/1"), false)));
        candidates.extend((0..50).map(|n| with(format!("/ip6/::ffff:192.0.2.{n}/tcp/1"), false)));
        candidates.extend((0..50).map(|n| with(format!("/dns/n{n}.example/tcp/1"), false)));
        candidates.push(with("/ip4/192.0.3.1/tcp/1".to_owned(), false));
        candidates.extend((0..20).map(|n| with(format!("/ip4/192.0.2.{n}/tcp/2"), true)));
        let chosen = firsts(candidates);
        let count = |start: &str, end: &str| {
            chosen.iter().filter(|it| it.starts_with(start) && it.ends_with(end)).count()
        };
        assert_eq!(count("/ip4/192.0.2.", "tcp/1") + count("/ip6/::ffff:", ""), MAX_PER_NETWORK);
        assert_eq!(count("/ip6/2001:db8:1:", ""), MAX_PER_NETWORK);
        assert_eq!(count("/dns/", ""), MAX_PER_NETWORK);
        assert_eq!(count("/ip4/192.0.3.1/", ""), 1);
        assert_eq!(count("/ip4/192.0.2.", "tcp/2"), 20);
    }

    #[test]
    fn addresses_are_those_dialled_the_newest_first_then_those_of_the_table() {
        let relay = libp2p::PeerId::random();
        let peers = choose(vec![
            Candidate {
                dialled: vec![
                    at("/ip4/192.0.2.1/tcp/1"),
                    at("/ip4/192.0.2.2/tcp/1"),
                    at(&format!("/ip4/192.0.2.9/tcp/1/p2p/{relay}/p2p-circuit")),
                ],
                table: Some((2..40).map(|n| at(&format!("/ip4/192.0.2.{n}/tcp/1"))).collect()),
                ..stranger(1)
            },
            stranger(2),
            Candidate { had_session: true, ..stranger(2) },
        ]);
        assert_eq!(peers.len(), 1, "those without an address are nowhere to be dialled");
        let expected: Vec<_> =
            [2, 1, 3, 4, 5, 6, 7, 8].map(|n| format!("/ip4/192.0.2.{n}/tcp/1")).into();
        assert_eq!(peers[0].addresses, expected);
        assert!(peers[0].routing);
    }

    #[test]
    fn those_of_before_keep_the_places_that_are_left() {
        let remembered = |number: u8, seen| {
            let keypair = libp2p::identity::Keypair::ed25519_from_bytes([number; 32]).unwrap();
            let id = keypair.public().to_peer_id();
            let addresses = vec![format!("/ip4/9.0.0.{number}/tcp/1/p2p/{id}")];
            Remembered { addresses, seen, routing: false }
        };
        let old: Vec<_> = (1..=200).map(|number| remembered(number, 1)).collect();
        let mut peers = vec![remembered(1, 2)];
        keep_old(&mut peers, &old);
        assert_eq!(peers.len(), MAX_PEERS);
        assert_eq!(peers[0].seen, 2, "it was met again");
        assert_eq!(peers[1], remembered(2, 1));
    }
}
