//! A behaviour that dials where strangers tell it to (AutoNAT's server, hole punching), kept from
//! dialling whatever they like.
//!
//! Without this a stranger could use the node to knock at addresses of its own network, or of a victim.

use std::collections::HashSet;
use std::task::{Context, Poll};

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr, PeerId};
use libp2p_swarm::behaviour::DialFailure;
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use thiserror::Error;

/// Which addresses a guarded behaviour may dial.
pub type Allowed = fn(&[Multiaddr]) -> bool;

/// Why a dial is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a stranger names an address that is not for it to name")]
pub struct Forbidden;

/// A behaviour whose dials are looked at.
pub struct Guard<B: NetworkBehaviour> {
    inner: B,
    allowed: Allowed,
    most: usize,
    dialing: HashSet<ConnectionId>,
    connected: HashSet<ConnectionId>,
}

impl<B: NetworkBehaviour> Guard<B> {
    /// Lets `inner` dial what is `allowed`, and no more than `most` peers at once.
    pub fn new(inner: B, allowed: Allowed, most: usize) -> Self {
        Self { inner, allowed, most, dialing: HashSet::new(), connected: HashSet::new() }
    }

    /// The guarded behaviour.
    pub const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Whether the guarded behaviour made this connection, or is making it.
    #[must_use]
    pub fn made(&self, connection: &ConnectionId) -> bool {
        self.dialing.contains(connection) || self.connected.contains(connection)
    }

    /// The connections that the guarded behaviour made and that are there.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.connected.iter().copied()
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Guard<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dialing.contains(&id) && !(self.allowed)(addresses) {
            return Err(ConnectionDenied::new(Forbidden));
        }
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::DialFailure(event) => {
                self.dialing.remove(&event.connection_id);
            }
            FromSwarm::ConnectionEstablished(event) => {
                if self.dialing.remove(&event.connection_id) {
                    self.connected.insert(event.connection_id);
                }
            }
            FromSwarm::ConnectionClosed(event) => {
                self.connected.remove(&event.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.inner.poll(cx) {
                // Told as the swarm would, so that the guarded behaviour forgets the dial.
                Poll::Ready(ToSwarm::Dial { opts }) if self.dialing.len() >= self.most => {
                    self.inner.on_swarm_event(FromSwarm::DialFailure(DialFailure {
                        peer_id: opts.get_peer_id(),
                        error: &DialError::Aborted,
                        connection_id: opts.connection_id(),
                    }));
                }
                Poll::Ready(event) => {
                    if let ToSwarm::Dial { opts } = &event {
                        self.dialing.insert(opts.connection_id());
                    }
                    return Poll::Ready(event);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<B: NetworkBehaviour> std::fmt::Debug for Guard<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("dialing", &self.dialing.len()).finish_non_exhaustive()
    }
}
