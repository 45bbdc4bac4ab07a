//! A connection handler that keeps its connection open while the behaviour says so. libp2p closes
//! idle connections; a session is a reason to stay that the wrapped handler does not know.

use std::task::{Context, Poll};

use libp2p_swarm::handler::{ConnectionEvent, ConnectionHandlerEvent};
use libp2p_swarm::{ConnectionHandler, SubstreamProtocol};

/// Wraps a handler.
pub struct KeepAlive<H> {
    inner: H,
    keep: bool,
}

impl<H> KeepAlive<H> {
    pub(crate) const fn new(inner: H, keep: bool) -> Self {
        Self { inner, keep }
    }
}

/// What the behaviour tells the handler.
#[derive(Debug)]
pub enum FromBehaviour<E> {
    /// Something for the wrapped handler.
    Inner(E),
    /// Whether to keep the connection open from now on.
    Keep(bool),
}

impl<H: ConnectionHandler> ConnectionHandler for KeepAlive<H> {
    type FromBehaviour = FromBehaviour<H::FromBehaviour>;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.keep || self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        self.inner.poll(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            FromBehaviour::Inner(event) => self.inner.on_behaviour_event(event),
            FromBehaviour::Keep(keep) => self.keep = keep,
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.inner.on_connection_event(event);
    }
}

#[cfg(test)]
mod tests {
    use libp2p_swarm::dummy;

    use super::*;

    #[test]
    fn a_connection_stays_as_long_as_the_behaviour_says() {
        let mut handler = KeepAlive::new(dummy::ConnectionHandler, false);
        assert!(!handler.connection_keep_alive());
        handler.on_behaviour_event(FromBehaviour::Keep(true));
        assert!(handler.connection_keep_alive());
        handler.on_behaviour_event(FromBehaviour::Keep(false));
        assert!(!handler.connection_keep_alive());
        assert!(KeepAlive::new(dummy::ConnectionHandler, true).connection_keep_alive());
    }
}
