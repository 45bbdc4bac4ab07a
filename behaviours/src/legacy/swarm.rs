//! What the swarm asks of the behaviour.

use std::task::{Context, Poll};

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr, PeerId};
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use super::calls::Called;
use super::carrier::{Inner, Polled};
use super::driver::Input;
use super::{Behaviour, Event};
use crate::conduct::close_insistent;
use crate::keep_alive::{FromBehaviour, KeepAlive};
use crate::prefix::Prefix;

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = KeepAlive<THandler<Inner>>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.carrier.inner().handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner =
            self.carrier.inner().handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(self.handler(&peer, inner))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.carrier.inner().handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .carrier
            .inner()
            .handle_established_outbound_connection(id, peer, address, role, port_use)?;
        Ok(self.handler(&peer, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        // The carrier must know of a connection before links send over it.
        self.carrier.inner().on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.pending.extend(close_insistent(peer, connection, &event));
        self.carrier.inner().on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(event);
            }
            // What links say comes first: it frees room for what the network brings.
            if let Poll::Ready(Some((peer, output))) = self.outputs.poll_recv(cx) {
                self.on_output(peer, output);
                continue;
            }
            if let Poll::Ready((peer, called)) = self.calls.poll(cx) {
                match called {
                    Called::Carried(id, carried) => self.on_carried(peer, id, carried),
                    Called::Gone(exchange) => self.report(peer, Input::Gone(exchange)),
                }
                continue;
            }
            match self.carrier.poll(cx) {
                Poll::Ready(Polled::Arrival(peer, connection, arrival)) => {
                    self.on_arrival(peer, connection, arrival);
                }
                Poll::Ready(Polled::Swarm(event)) => {
                    let event = event.map_in(FromBehaviour::Inner).map_out(|never| match never {});
                    return Poll::Ready(event);
                }
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Behaviour {
    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let prefix = Prefix::of(event.endpoint.get_remote_address());
        let peer = self.peers.entry(event.peer_id).or_default();
        peer.connections.insert(event.connection_id, prefix);
        if let Some(link) = &peer.link {
            link.reached(true);
        }
        self.wake();
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        let by_courier = self.is_by_courier(&event.peer_id);
        let Some(peer) = self.peers.get_mut(&event.peer_id) else { return };
        peer.connections.remove(&event.connection_id);
        if peer.connections.is_empty() {
            match &peer.link {
                Some(link) => link.reached(by_courier),
                None => drop(self.peers.remove(&event.peer_id)),
            }
        }
    }

    fn handler(&self, peer: &PeerId, inner: THandler<Inner>) -> THandler<Self> {
        let link = self.peers.get(peer).and_then(|peer| peer.link.as_ref());
        KeepAlive::new(inner, link.is_some_and(|link| link.session.is_some()))
    }
}
