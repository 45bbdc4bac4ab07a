//! What the swarm asks of a behaviour: everything is delegated to libp2p's Kademlia, and noted.

use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::transport::PortUse;
use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, PeerId};
use libp2p_kad as kad;
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use peer_protocol::time::Instant;

use super::addresses::MAX_DIALLED;
use super::saved::Space;
use super::source::Source;
use super::{Behaviour, Event};
use crate::prefix::Prefix;

/// Refused records on one connection before it is closed: half of its streams.
const MAX_REFUSED: usize = 16;

/// After so long their writers have given up, and the streams are gone.
const FORGIVEN: Duration = Duration::from_secs(60);

/// What is remembered of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    network: Prefix,
    /// Records that came over it and were refused, since then.
    refused: usize,
    since: Instant,
}

/// Its handler is the same whatever the store is, and this store is nobody else's business.
type Inner = kad::Behaviour<kad::store::MemoryStore>;

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<Inner>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.kad.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(id, peer, local, remote)
    }

    /// Addresses that other nodes named are filtered here: libp2p dials whatever they say.
    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = self.kad.handle_pending_outbound_connection(id, peer, addresses, role)?;
        if let Some(peer) = peer {
            known.retain(|address| self.may_dial(&peer, address));
        }
        known.truncate(MAX_DIALLED);
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(event) = &event
            && let ConnectedPoint::Dialer { address, .. } = event.endpoint
        {
            self.met.insert(event.peer_id, address);
        }
        self.kad.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let network = Prefix::of(event.endpoint.get_remote_address());
                let since = self.clock.now().instant;
                let connection = Connection { network, refused: 0, since };
                self.connections.insert(event.connection_id, connection);
            }
            FromSwarm::ConnectionClosed(event) => {
                self.connections.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let network = self.connections.get(&connection).map_or(Prefix::Other, |it| it.network);
        self.kad.store_mut().begin(Source::new(peer, network));
        self.kad.on_connection_handler_event(peer, connection, event);
        if let Some((space, reason)) = self.kad.store_mut().end() {
            self.strike(peer, reason);
            // Nobody waits for the answer to an announcement.
            if space == Space::Records {
                self.on_refused(peer, connection);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            if let Some((peer_id, connection)) = self.closing.pop_front() {
                let connection = CloseConnection::One(connection);
                return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
            }
            self.keep_house();
            self.start_queries();
            match self.kad.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.on_kad(event),
                Poll::Ready(other) => {
                    let other = other.map_out(|_| unreachable!("events were taken out above"));
                    return Poll::Ready(other);
                }
                Poll::Pending => {
                    if self.pending.is_empty() && !self.poll_timer(cx) {
                        self.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl Behaviour {
    /// libp2p never ends the stream of a record that its store refuses: the writer's request fails
    /// when its time is over, and the stream stays. Before such streams fill the connection and
    /// nothing more can be asked over it, it is closed.
    fn on_refused(&mut self, peer: PeerId, connection: ConnectionId) {
        let now = self.clock.now().instant;
        if let Some(state) = self.connections.get_mut(&connection) {
            if now.since(state.since) > FORGIVEN {
                (state.refused, state.since) = (0, now);
            }
            state.refused += 1;
            if state.refused == MAX_REFUSED {
                tracing::debug!(%peer, %connection, "closing a connection full of refused records");
                self.closing.push_back((peer, connection));
                self.wake();
            }
        }
    }

    fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, stats, step } => {
                self.on_query(id, result, &stats, &step);
            }
            kad::Event::RoutingUpdated { peer, addresses, .. } => {
                self.on_updated(peer, &addresses);
            }
            // It was dialled there, and has answered on the registry's protocol.
            kad::Event::RoutablePeer { peer, address }
            | kad::Event::PendingRoutablePeer { peer, address } => {
                self.add_address(peer, address);
            }
            // What is asked of this node is answered by then; without an address it stays unknown.
            kad::Event::InboundRequest { .. }
            | kad::Event::UnroutablePeer { .. }
            | kad::Event::ModeChanged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::SystemClock;
    use crate::registry::Config;

    /// Other nodes name addresses as they like: to whoever listens on this machine, or on its network.
    #[test]
    fn a_node_of_the_public_network_does_not_dial_into_its_own() {
        for (local_addresses, dialled) in [(false, 1), (true, 2)] {
            let clock = Arc::new(SystemClock::new());
            let config = Config { local_addresses, ..Config::new(clock, [0; 32]) };
            let mut registry = Behaviour::new(PeerId::random(), config);
            let peer = PeerId::random();
            for address in
                ["/ip4/127.0.0.1/tcp/6379", "/ip4/0.0.0.0/tcp/1", "/ip4/198.51.100.1/tcp/1"]
            {
                registry.kad.add_address(&peer, address.parse().unwrap());
            }
            let id = ConnectionId::new_unchecked(1);
            let known =
                registry.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
            assert_eq!(known.unwrap().len(), dialled);
        }
    }

    #[test]
    fn one_dial_tries_a_few_addresses() {
        let clock = Arc::new(SystemClock::new());
        let mut registry = Behaviour::new(PeerId::random(), Config::new(clock, [0; 32]));
        let peer = PeerId::random();
        for port in 1..100 {
            let address = format!("/ip4/198.51.100.1/tcp/{port}").parse().unwrap();
            registry.kad.add_address(&peer, address);
        }
        let id = ConnectionId::new_unchecked(1);
        let known =
            registry.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        assert_eq!(known.unwrap().len(), MAX_DIALLED);
    }
}
