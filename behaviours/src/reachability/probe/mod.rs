//! Testing an address by asking another node to dial it: the client of AutoNAT v2.
//!
//! libp2p's own client tests an address once, and any address, loopback included; this one tests what
//! it is told to, as often as it is told to. A test counts only if the dial-back came, with the nonce of
//! the request, over a direct connection that was made after the request.

mod handler;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::task::{Context, Poll, Waker};

use libp2p_core::transport::PortUse;
use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use rand::Rng as _;
use rand::rngs::StdRng;

use self::handler::{Handler, Request, Role, Told};
use super::scope::is_relayed;

/// What a server's list of protocols says if it tests addresses for others.
pub const SERVER: &str = "/libp2p/autonat/2/dial-request";

/// Most tests under way.
const MAX_TESTS: usize = 8;

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server dialled back.
    Reachable,
    /// The server could not connect.
    Unreachable,
    /// There was no test, or its outcome says nothing about the address.
    Undecided,
}

/// A test is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The address that was tested.
    pub address: Multiaddr,
    /// Who tested it.
    pub server: PeerId,
    /// What came of it.
    pub verdict: Verdict,
}

/// A test under way.
#[derive(Debug)]
struct Test {
    address: Multiaddr,
    server: PeerId,
    over: ConnectionId,
    /// Connections before this one cannot be a dial-back.
    since: u64,
    dialed_back: bool,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    peer: PeerId,
    role: Role,
    /// Which one it was.
    number: u64,
}

/// The behaviour.
pub struct Behaviour {
    connections: HashMap<ConnectionId, Connection>,
    next_number: u64,
    tests: HashMap<u64, Test>,
    rng: StdRng,
    pending: VecDeque<ToSwarm<Event, Request>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// A behaviour that has tested nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connections: HashMap::new(),
            next_number: 0,
            tests: HashMap::new(),
            rng: rand::make_rng(),
            pending: VecDeque::new(),
            waker: None,
        }
    }

    /// Asks `server` to dial `address`; an [`Event`] follows. Returns whether it was asked: it must be
    /// connected, by a dial of this node, and not too much may be under way.
    pub fn test(&mut self, server: PeerId, address: Multiaddr) -> bool {
        let asks = |it: &Connection| it.peer == server && it.role == Role::Asks;
        let Some((&over, _)) = self.connections.iter().find(|(_, it)| asks(it)) else {
            return false;
        };
        if self.tests.len() >= MAX_TESTS || self.tests.values().any(|it| it.address == address) {
            return false;
        }
        let nonce = self.rng.next_u64();
        let test = Test {
            address: address.clone(),
            server,
            over,
            since: self.next_number,
            dialed_back: false,
        };
        self.tests.insert(nonce, test);
        self.pending.push_back(ToSwarm::NotifyHandler {
            peer_id: server,
            handler: NotifyHandler::One(over),
            event: Request { nonce, address },
        });
        self.wake();
        true
    }

    /// Whether `peer` can be asked.
    #[must_use]
    pub fn can_ask(&self, peer: &PeerId) -> bool {
        self.connections.values().any(|it| it.peer == *peer && it.role == Role::Asks)
    }

    fn is_dial_back(&self, nonce: u64, over: ConnectionId) -> bool {
        let (Some(test), Some(connection)) = (self.tests.get(&nonce), self.connections.get(&over))
        else {
            return false;
        };
        connection.role == Role::Answers && connection.number >= test.since
    }

    fn finish(&mut self, nonce: u64, verdict: Verdict) {
        let Some(test) = self.tests.remove(&nonce) else { return };
        let verdict = match verdict {
            Verdict::Reachable if !test.dialed_back => {
                tracing::debug!(server = %test.server, "claims to have dialled back and has not");
                Verdict::Undecided
            }
            verdict => verdict,
        };
        let event = Event { address: test.address, server: test.server, verdict };
        self.pending.push_back(ToSwarm::GenerateEvent(event));
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::new()
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(role(false, local)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(role(true, address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let role = match event.endpoint {
                    ConnectedPoint::Dialer { address, .. } => role(true, address),
                    ConnectedPoint::Listener { local_addr, .. } => role(false, local_addr),
                };
                let connection = Connection { peer: event.peer_id, role, number: self.next_number };
                self.next_number += 1;
                self.connections.insert(event.connection_id, connection);
            }
            FromSwarm::ConnectionClosed(event) => {
                self.connections.remove(&event.connection_id);
                let gone = self.tests.iter().filter(|(_, it)| it.over == event.connection_id);
                for nonce in gone.map(|(nonce, _)| *nonce).collect::<Vec<_>>() {
                    self.finish(nonce, Verdict::Undecided);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Told::Finished(nonce, verdict) => self.finish(nonce, verdict),
            Told::Back(nonce, known) => {
                if self.is_dial_back(nonce, connection)
                    && let Some(test) = self.tests.get_mut(&nonce)
                {
                    test.dialed_back = true;
                    // The stream may be gone again.
                    let _ = known.send(());
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(event) = self.pending.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("tests", &self.tests).finish_non_exhaustive()
    }
}

fn role(dialed: bool, at: &Multiaddr) -> Role {
    match (is_relayed(at), dialed) {
        (true, _) => Role::Neither,
        (false, true) => Role::Asks,
        (false, false) => Role::Answers,
    }
}

#[cfg(test)]
mod tests {
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
}
