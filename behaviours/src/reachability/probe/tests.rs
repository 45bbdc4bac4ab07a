use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished};

use super::*;

/// A behaviour and what the swarm would tell it.
struct Rig {
    probe: Behaviour,
    next: usize,
}

impl Rig {
    fn new() -> Self {
        Self { probe: Behaviour::new(), next: 0 }
    }

    fn connect(&mut self, peer_id: PeerId, endpoint: &ConnectedPoint) -> ConnectionId {
        let connection_id = ConnectionId::new_unchecked(self.next);
        self.next += 1;
        self.probe.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id,
            connection_id,
            endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
        connection_id
    }

    /// Asks a server to which this node has dialled; returns the nonce.
    fn ask(&mut self) -> (ConnectionId, u64) {
        let server = PeerId::random();
        let over = self.connect(server, &dialed());
        assert!(self.probe.test(server, address()));
        (over, *self.probe.tests.keys().next().unwrap())
    }

    /// Whether a dial-back over this connection is taken for one.
    fn back(&mut self, over: ConnectionId, nonce: u64) -> bool {
        let (known, is_known) = futures::channel::oneshot::channel();
        let told = Told::Back(nonce, known);
        self.probe.on_connection_handler_event(PeerId::random(), over, told);
        futures::executor::block_on(is_known).is_ok()
    }

    fn finish(&mut self, over: ConnectionId, nonce: u64) -> Option<Verdict> {
        let told = Told::Finished(nonce, Verdict::Reachable);
        self.probe.on_connection_handler_event(PeerId::random(), over, told);
        self.probe.pending.iter().find_map(|event| match event {
            ToSwarm::GenerateEvent(event) => Some(event.verdict),
            _ => None,
        })
    }
}

fn address() -> Multiaddr {
    "/ip4/11.0.0.7/tcp/4711".parse().unwrap()
}

fn dialed() -> ConnectedPoint {
    let address = "/ip4/11.0.0.9/tcp/1".parse().unwrap();
    let (role_override, port_use) = (Endpoint::Dialer, PortUse::Reuse);
    ConnectedPoint::Dialer { address, role_override, port_use }
}

fn came_in() -> ConnectedPoint {
    let send_back_addr = "/ip4/11.0.0.9/tcp/2".parse().unwrap();
    ConnectedPoint::Listener { local_addr: address(), send_back_addr }
}

fn over_a_relay() -> ConnectedPoint {
    let circuit = format!("/ip4/11.0.0.9/tcp/2/p2p/{}/p2p-circuit", PeerId::random());
    let send_back_addr = format!("/p2p/{}", PeerId::random()).parse().unwrap();
    ConnectedPoint::Listener { local_addr: circuit.parse().unwrap(), send_back_addr }
}

#[test]
fn a_servers_word_alone_proves_nothing() {
    let mut rig = Rig::new();
    let (over, nonce) = rig.ask();
    assert_eq!(rig.finish(over, nonce), Some(Verdict::Undecided));
}

#[test]
fn only_a_new_direct_connection_from_outside_is_a_dial_back() {
    let mut rig = Rig::new();
    let before = rig.connect(PeerId::random(), &came_in());
    let (over, nonce) = rig.ask();
    let dialed = rig.connect(PeerId::random(), &dialed());
    let relayed = rig.connect(PeerId::random(), &over_a_relay());
    for connection in [before, over, dialed, relayed] {
        assert!(!rig.back(connection, nonce));
    }
    let back = rig.connect(PeerId::random(), &came_in());
    assert!(!rig.back(back, nonce.wrapping_add(1)), "somebody guesses");
    assert!(rig.back(back, nonce));
    assert_eq!(rig.finish(over, nonce), Some(Verdict::Reachable));
}

#[test]
fn whoever_connected_to_this_node_is_not_asked_and_tests_are_bounded() {
    let mut rig = Rig::new();
    let stranger = PeerId::random();
    rig.connect(stranger, &came_in());
    assert!(!rig.probe.test(stranger, address()));
    let server = PeerId::random();
    let over = rig.connect(server, &dialed());
    let asked = (1..100).filter(|port| {
        let address = format!("/ip4/11.0.0.7/tcp/{port}").parse().unwrap();
        rig.probe.test(server, address)
    });
    assert_eq!(asked.count(), MAX_TESTS);
    rig.probe.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
        peer_id: server,
        connection_id: over,
        endpoint: &dialed(),
        cause: None,
        remaining_established: 0,
    }));
    assert!(rig.probe.tests.is_empty());
}
