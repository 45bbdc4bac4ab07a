//! What peers say they see of this node: from which address its connections come, or at which address
//! they reached it.
//!
//! One peer may say anything. Nothing is made of what fewer than [`OBSERVERS`] networks agree on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_swarm::ConnectionId;

use super::scope::{Scope, ip_of, is_relayed};
use crate::prefix::Prefix;

/// Networks that must agree before an address becomes a candidate.
pub const OBSERVERS: usize = 2;
/// Most observations remembered; there is one a connection.
const MAX_OBSERVATIONS: usize = 1024;

/// How a translator between this node and the world picks ports, as far as observers can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nat {
    /// Not enough is known.
    #[default]
    Unknown,
    /// There is none: others see an address of this machine.
    None,
    /// One port for all destinations: holes can be punched.
    EndpointIndependent,
    /// Another port for each destination: only relays help.
    EndpointDependent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Udp,
    Tcp,
}

#[derive(Debug)]
struct Observation {
    network: Prefix,
    observer: IpAddr,
    address: Multiaddr,
    ip: IpAddr,
    transport: Transport,
    port: u16,
    /// The connection left from a port that the node listens on.
    from_listener: bool,
}

/// What is seen over each connection that is there.
#[derive(Debug, Default)]
pub struct Observations {
    list: HashMap<ConnectionId, Observation>,
}

impl Observations {
    /// The peer at `remote` sees this node at `seen`. `from_listener` says whether the connection
    /// left from a port that the node listens on. What comes over relays, and what could not be dialled
    /// anyway, says nothing.
    pub fn insert(
        &mut self,
        connection: ConnectionId,
        remote: &Multiaddr,
        seen: &Multiaddr,
        from_listener: bool,
    ) {
        self.list.remove(&connection);
        let address: Multiaddr =
            seen.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let (Some(observer), Some(ip), Some((transport, port))) =
            (ip_of(remote), ip_of(&address), port_of(&address))
        else {
            return;
        };
        let useful = matches!(Scope::of(&address), Scope::Global | Scope::Private)
            && !is_relayed(remote)
            && self.list.len() < MAX_OBSERVATIONS;
        if useful {
            let network = Prefix::of(remote);
            self.list.insert(
                connection,
                Observation { network, observer, address, ip, transport, port, from_listener },
            );
        }
    }

    /// The connection is gone.
    pub fn remove(&mut self, connection: &ConnectionId) {
        self.list.remove(connection);
    }

    /// Addresses seen, and by how many networks.
    #[must_use]
    pub fn seen(&self) -> BTreeMap<String, usize> {
        let mut networks: BTreeMap<String, BTreeSet<Prefix>> = BTreeMap::new();
        for it in self.list.values() {
            networks.entry(it.address.to_string()).or_default().insert(it.network);
        }
        networks.into_iter().map(|(address, networks)| (address, networks.len())).collect()
    }

    /// Global addresses that may be this node's: those that enough networks see, and the ports that the
    /// node listens on at an IP address that enough networks see.
    #[must_use]
    pub fn candidates(&self, listeners: &[Multiaddr]) -> BTreeSet<Multiaddr> {
        let global = || self.list.values().filter(|it| Scope::of_ip(it.ip) == Scope::Global);
        let mut by_address: BTreeMap<&Multiaddr, BTreeSet<Prefix>> = BTreeMap::new();
        let mut by_ip: BTreeMap<IpAddr, BTreeSet<Prefix>> = BTreeMap::new();
        for it in global() {
            // A port that belongs to one outgoing connection leads nowhere.
            if it.from_listener {
                by_address.entry(&it.address).or_default().insert(it.network);
            }
            by_ip.entry(it.ip).or_default().insert(it.network);
        }
        let enough = |networks: &BTreeSet<Prefix>| networks.len() >= OBSERVERS;
        let exact = by_address.into_iter().filter(|(_, networks)| enough(networks));
        let exact = exact.map(|(address, _)| address.clone());
        let ips = by_ip.iter().filter(|(_, networks)| enough(networks)).map(|(ip, _)| *ip);
        let forwarded = ips.flat_map(|ip| listeners.iter().filter_map(move |it| moved(it, ip)));
        exact.chain(forwarded).collect()
    }

    /// What kind of translator there is.
    #[must_use]
    pub fn nat(&self, listeners: &[Multiaddr]) -> Nat {
        // QUIC has one socket for everything, so its ports tell more.
        [Transport::Udp, Transport::Tcp]
            .into_iter()
            .map(|transport| self.nat_of(transport, listeners))
            .find(|nat| *nat != Nat::Unknown)
            .unwrap_or_default()
    }

    fn nat_of(&self, transport: Transport, listeners: &[Multiaddr]) -> Nat {
        let mut observers = BTreeSet::new();
        let mut mapped = BTreeSet::new();
        let seen = self.list.values().filter(|it| {
            it.from_listener
                && it.transport == transport
                && it.ip.is_ipv4()
                && Scope::of_ip(it.ip) == Scope::Global
        });
        for it in seen {
            if listeners.iter().any(|listener| ip_of(listener) == Some(it.ip)) {
                return Nat::None;
            }
            observers.insert(it.observer);
            mapped.insert((it.ip, it.port));
        }
        match (observers.len(), mapped.len()) {
            (0 | 1, _) => Nat::Unknown,
            (_, 1) => Nat::EndpointIndependent,
            _ => Nat::EndpointDependent,
        }
    }
}

/// The transport and port of an address.
fn port_of(address: &Multiaddr) -> Option<(Transport, u16)> {
    match address.iter().nth(1)? {
        Protocol::Tcp(port) => Some((Transport::Tcp, port)),
        Protocol::Udp(port) => Some((Transport::Udp, port)),
        _ => None,
    }
}

/// The same address at another IP address of the same family. Listeners of other machines' networks and
/// of this machine alone cannot be forwarded to.
fn moved(listener: &Multiaddr, ip: IpAddr) -> Option<Multiaddr> {
    let same_family = ip_of(listener)?.is_ipv4() == ip.is_ipv4();
    let forwarded = matches!(Scope::of(listener), Scope::Private | Scope::Global);
    (same_family && forwarded).then(|| listener.replace(0, |_| Some(ip.into()))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "/ip4/11.0.0.7";

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn addresses(texts: &[&str]) -> BTreeSet<Multiaddr> {
        texts.iter().map(|text| address(text)).collect()
    }

    struct Rig {
        observations: Observations,
        next: usize,
    }

    impl Rig {
        fn new() -> Self {
            Self { observations: Observations::default(), next: 0 }
        }

        fn see(&mut self, remote: &str, seen: &str, from_listener: bool) -> ConnectionId {
            let id = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            self.observations.insert(id, &address(remote), &address(seen), from_listener);
            id
        }
    }

    #[test]
    fn one_network_alone_is_not_believed() {
        let mut rig = Rig::new();
        let listeners = [address("/ip4/192.168.1.2/tcp/4711"), address("/ip4/127.0.0.1/tcp/4711")];
        for host in 1..50 {
            rig.see(&format!("/ip4/12.0.0.{host}/tcp/1"), &format!("{US}/tcp/50000"), true);
        }
        assert!(rig.observations.candidates(&listeners).is_empty());
        let other = rig.see("/ip4/13.0.0.1/tcp/1", &format!("{US}/tcp/50000"), true);
        let expected = addresses(&[&format!("{US}/tcp/50000"), &format!("{US}/tcp/4711")]);
        assert_eq!(rig.observations.candidates(&listeners), expected);
        rig.observations.remove(&other);
        assert!(rig.observations.candidates(&listeners).is_empty());
    }

    #[test]
    fn ports_of_single_connections_and_what_cannot_be_dialled_are_no_candidates() {
        let mut rig = Rig::new();
        let listeners = [address("/ip4/192.168.1.2/udp/4711/quic-v1")];
        for network in 1..4 {
            let remote = format!("/ip4/12.0.{network}.1/tcp/1");
            rig.see(&remote, &format!("{US}/tcp/50000"), false);
            rig.see(&remote, "/ip4/192.168.1.2/tcp/4711", true);
            rig.see(&remote, "/ip4/127.0.0.1/tcp/4711", true);
            rig.see(&remote, "/ip4/203.0.113.9/tcp/4711", true);
            rig.see("/p2p-circuit", &format!("{US}/tcp/9"), true);
        }
        let expected = addresses(&[&format!("{US}/udp/4711/quic-v1")]);
        assert_eq!(rig.observations.candidates(&listeners), expected);
    }

    #[test]
    fn the_kind_of_translator_follows_from_its_ports() {
        let listeners = [address("/ip4/192.168.1.2/udp/4711/quic-v1")];
        let quic = |port: u16| format!("{US}/udp/{port}/quic-v1");
        let mut rig = Rig::new();
        assert_eq!(rig.observations.nat(&listeners), Nat::Unknown);
        rig.see("/ip4/12.0.0.1/udp/1/quic-v1", &quic(50_000), true);
        rig.see("/ip4/12.0.0.1/udp/2/quic-v1", &quic(50_001), true);
        assert_eq!(rig.observations.nat(&listeners), Nat::Unknown, "one observer only");
        let mut rig = Rig::new();
        rig.see("/ip4/12.0.0.1/udp/1/quic-v1", &quic(50_000), true);
        rig.see("/ip4/12.0.0.2/udp/1/quic-v1", &quic(50_000), true);
        assert_eq!(rig.observations.nat(&listeners), Nat::EndpointIndependent);
        rig.see("/ip4/12.0.0.3/udp/1/quic-v1", &quic(50_007), true);
        assert_eq!(rig.observations.nat(&listeners), Nat::EndpointDependent);
        let open = [address(&quic(50_000))];
        assert_eq!(rig.observations.nat(&open), Nat::None);
    }
}
