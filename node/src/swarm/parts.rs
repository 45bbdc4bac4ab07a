//! How libp2p's own behaviours are set up.

use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, identify, mdns, ping, relay};
use peer_behaviours::reachability::scope::Scope;

/// What libp2p's identify says the program is.
const AGENT: &str = concat!("peer/", env!("CARGO_PKG_VERSION"));
/// What libp2p's identify says the protocol is.
const PROTOCOL_VERSION: &str = "peer/1.1.0";

/// How often a connection is tried, and how long the answer may take. libp2p keeps the first failure to
/// itself, so a dead TCP connection that nobody uses is noticed after twice both together at the latest,
/// 30 s; when something is sent, the link notices within two. QUIC gives up after 10 s by itself. Pings
/// are most of what thousands of idle sessions cost.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Most that one circuit carries, in bytes: a large transfer fits, a tunnel for ever does not.
const CIRCUIT_BYTES: u64 = 1 << 30;
/// Longest life of a circuit, and of a reservation before it is renewed.
const CIRCUIT_DURATION: Duration = Duration::from_secs(60 * 60);
const RESERVATION_DURATION: Duration = Duration::from_secs(60 * 60);
const MAX_RESERVATIONS: usize = 256;
const MAX_CIRCUITS: usize = 128;
/// Circuits of one peer at once: it may talk to several peers behind the relay.
const MAX_CIRCUITS_PER_PEER: usize = 8;
/// Most addresses that hole punching tries at once.
const MAX_PUNCHED: usize = 24;

/// Without a signed peer record: rust-libp2p signs it in a form of its own, and js-libp2p throws away
/// all of identify for that.
pub(super) fn identify(keypair: &Keypair) -> identify::Config {
    identify::Config::new(PROTOCOL_VERSION.to_owned(), keypair.public())
        .with_agent_version(AGENT.to_owned())
        .with_push_listen_addr_updates(true)
        // Where a peer says it listens is for the directory to judge, which dials a peer only where
        // it was seen; the cache would offer anything it says to every dial.
        .with_cache_size(0)
}

pub(super) fn ping() -> ping::Config {
    ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)
}

/// A relay for others. libp2p's own limits end a circuit after 128 KiB or two minutes.
pub(super) fn relay_server(own: PeerId) -> relay::Behaviour {
    let none = relay::Config {
        max_reservations: MAX_RESERVATIONS,
        max_reservations_per_peer: 4,
        reservation_duration: RESERVATION_DURATION,
        reservation_rate_limiters: Vec::new(),
        max_circuits: MAX_CIRCUITS,
        max_circuits_per_peer: MAX_CIRCUITS_PER_PEER,
        max_circuit_duration: CIRCUIT_DURATION,
        max_circuit_bytes: CIRCUIT_BYTES,
        circuit_src_rate_limiters: Vec::new(),
    };
    // So many at once, and one more each time the pause has passed. An IP address may stand for
    // many peers behind a translator.
    let often = |burst: u32| NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let config = none
        .reservation_rate_per_peer(often(30), Duration::from_secs(60))
        .reservation_rate_per_ip(often(120), Duration::from_secs(10))
        .circuit_src_per_peer(often(60), Duration::from_secs(10))
        .circuit_src_per_ip(often(240), Duration::from_secs(2));
    relay::Behaviour::new(own, config)
}

pub(super) fn mdns() -> mdns::Config {
    mdns::Config::default()
}

/// Where AutoNAT's server may dial for others: one global IP address at a time. Names are not
/// resolved, relays not used, and what is on this node's own network is no stranger's business.
pub(super) fn testable(addresses: &[Multiaddr]) -> bool {
    matches!(addresses, [address] if Scope::of(address) == Scope::Global)
}

/// Where hole punching may dial: IP addresses of the other side, not many, none on this machine.
pub(super) fn punchable(addresses: &[Multiaddr]) -> bool {
    addresses.len() <= MAX_PUNCHED
        && addresses
            .iter()
            .all(|address| matches!(Scope::of(address), Scope::Global | Scope::Private))
}

/// The same for a node on loopback, whose peers are there too.
pub(super) fn punchable_here(addresses: &[Multiaddr]) -> bool {
    addresses.len() <= MAX_PUNCHED
        && addresses.iter().all(|address| Scope::of(address) == Scope::Loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn strangers_do_not_make_the_node_dial_its_own_network() {
        assert!(testable(&addresses(&["/ip4/11.0.0.7/tcp/4711"])));
        for forbidden in [
            &[][..],
            &["/ip4/192.168.1.1/tcp/80"],
            &["/ip4/127.0.0.1/tcp/80"],
            &["/ip4/169.254.169.254/tcp/80"],
            &["/dns/intranet/tcp/80"],
            &["/ip4/11.0.0.7/tcp/1", "/ip4/11.0.0.8/tcp/1"],
        ] {
            assert!(!testable(&addresses(forbidden)), "{forbidden:?}");
        }
        assert!(punchable(&addresses(&["/ip4/11.0.0.7/tcp/1", "/ip4/192.168.1.2/tcp/1"])));
        assert!(!punchable(&addresses(&["/ip4/11.0.0.7/tcp/1", "/ip4/127.0.0.1/tcp/1"])));
        assert!(!punchable(&addresses(&["/ip4/11.0.0.7/tcp/1", "/dns/victim.example/tcp/1"])));
        assert!(!punchable(&addresses(&["/ip4/11.0.0.7/tcp/1"; 25])));
    }
}
