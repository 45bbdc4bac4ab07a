//! Which addresses of a record this node dials.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use peer_behaviours::reachability::scope::Scope;

/// Whether an address of somebody's record is dialled. Whoever wrote it chose it: `local` networks are
/// dialled only by those who are in one, this machine only if that is all there is `here`.
pub(super) fn is_dialable(address: &Multiaddr, local: bool, here: bool) -> bool {
    // A path would make it a request of the record's choice to whatever web server is there.
    let plain = address.iter().all(|part| match part {
        Protocol::Ws(path) | Protocol::Wss(path) => path == "/",
        _ => true,
    });
    plain
        && match Scope::of(&first_hop(address)) {
            Scope::Global | Scope::Name => true,
            Scope::Private => local,
            Scope::Loopback => here,
            Scope::Link | Scope::Relayed | Scope::Nowhere => false,
        }
}

/// What is dialled: over a relay that is the relay.
fn first_hop(address: &Multiaddr) -> Multiaddr {
    address.iter().take_while(|part| *part != Protocol::P2pCircuit).collect()
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    #[test]
    fn a_record_does_not_choose_where_in_its_readers_network_to_dial() {
        let dialable =
            |address: &str, local, here| is_dialable(&address.parse().unwrap(), local, here);
        for everywhere in
            ["/ip4/44.1.2.3/tcp/1", "/ip6/2a00::1/udp/1/quic-v1", "/dns/x.org/tcp/1/ws"]
        {
            assert!(dialable(everywhere, false, false), "{everywhere}");
        }
        let private = "/ip4/192.168.1.2/tcp/1";
        assert!(dialable(private, true, false) && !dialable(private, false, false));
        let loopback = "/ip4/127.0.0.1/tcp/1";
        assert!(dialable(loopback, true, true) && !dialable(loopback, true, false));
        let over = |relay: &str| format!("{relay}/p2p/{}/p2p-circuit", PeerId::random());
        assert!(dialable(&over("/ip4/44.1.2.3/tcp/1"), false, false));
        assert!(!dialable(&over(loopback), true, false));
        for never in ["/ip4/169.254.169.254/tcp/80", "/ip4/44.1.2.3/tcp/80/x-parity-ws/%2Fadmin"] {
            assert!(!dialable(never, true, true), "{never}");
        }
    }
}
