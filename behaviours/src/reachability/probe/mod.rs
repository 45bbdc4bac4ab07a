//! Testing an address by asking another node to dial it: the client of AutoNAT v2.
//!
//! libp2p's own client tests an address once, and any address, loopback included; this one tests what
//! it is told to, as often as it is told to. A test counts only if the dial-back came, with the nonce of
//! the request, over a direct connection that was made after the request.

mod handler;
pub(crate) mod wire;

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
mod tests;
