//! What the swarm asks of a behaviour: everything is delegated to the carrier, and noted.

use std::task::{Context, Poll};

use either::Either;
use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionHandlerSelect, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use super::carrier::{Inner, Polled};
use super::{Behaviour, Event, stream};
use crate::conduct::close_insistent;
use crate::keep_alive::{FromBehaviour, KeepAlive};

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = KeepAlive<ConnectionHandlerSelect<THandler<Inner>, stream::Handler>>;
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
        self.carrier.on_swarm_event(event);
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
        match event {
            Either::Left(event) => {
                self.pending.extend(close_insistent(peer, connection, &event));
                self.carrier.inner().on_connection_handler_event(peer, connection, event);
            }
            Either::Right(told) => self.on_stream(peer, connection, told),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(event);
            }
            // What links say comes first: it frees room for what the network brings.
            if let Poll::Ready(Some((peer, outputs))) = self.outputs.poll(cx) {
                outputs.into_iter().for_each(|output| self.on_output(peer, output));
                continue;
            }
            if let Poll::Ready((knock, signed)) = self.doorman.poll(cx) {
                self.on_checked(knock, signed);
                continue;
            }
            match self.carrier.poll(cx) {
                Poll::Ready(Polled::Arrival(peer, connection, arrival)) => {
                    self.on_arrival(peer, connection, arrival);
                }
                Poll::Ready(Polled::Swarm(event)) => {
                    if let ToSwarm::NotifyHandler { peer_id, handler, .. } = &event
                        && let NotifyHandler::One(connection) = handler
                    {
                        let now = self.clock.now().instant;
                        self.connections.asked(peer_id, *connection, now);
                    }
                    let event = event
                        .map_in(Either::Left)
                        .map_in(FromBehaviour::Inner)
                        .map_out(|never| match never {});
                    return Poll::Ready(event);
                }
                Poll::Pending if self.choose_connections(cx) || self.forget_idle(cx) => {}
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}
