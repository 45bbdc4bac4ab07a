//! A libp2p behaviour that opens streams by a protocol's name, and hands over those that peers open.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    Stream, SubstreamProtocol, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

/// What happened to a stream on a connection.
#[derive(Debug)]
pub(crate) enum FromHandler {
    /// One that was asked for is there.
    Opened { id: u32, stream: Stream },
    /// One that was asked for cannot be had.
    Refused { id: u32, why: String },
    /// The peer opened one.
    Incoming { protocol: StreamProtocol, stream: Stream },
}

/// A stream to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    id: u32,
    protocol: StreamProtocol,
}

/// The names that a peer may choose from.
#[derive(Debug, Clone)]
pub(crate) struct Names(Vec<StreamProtocol>);

impl UpgradeInfo for Names {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Names {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    names: Names,
    openings: VecDeque<Opening>,
    events: VecDeque<FromHandler>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Opening;
    type ToBehaviour = FromHandler;
    type InboundProtocol = Names;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = u32;

    fn listen_protocol(&self) -> SubstreamProtocol<Names> {
        SubstreamProtocol::new(self.names.clone(), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, u32, FromHandler>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(Opening { id, protocol }) = self.openings.pop_front() {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(protocol), id);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, opening: Opening) {
        self.openings.push_back(opening);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Names, Self::OutboundProtocol, (), u32>,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => FromHandler::Incoming { protocol, stream },
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: id,
            }) => FromHandler::Opened { id, stream },
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: id, error }) => {
                FromHandler::Refused { id, why: error.to_string() }
            }
            _ => return,
        };
        self.events.push_back(event);
    }
}

/// The streams of all connections. One is opened on the newest connection to its peer.
#[derive(Debug)]
pub(crate) struct Streams {
    names: Names,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    out: VecDeque<ToSwarm<(PeerId, FromHandler), Opening>>,
}

impl Streams {
    /// Peers may open streams of these names.
    pub(crate) fn new(names: Vec<StreamProtocol>) -> Self {
        Self { names: Names(names), connections: HashMap::new(), out: VecDeque::new() }
    }

    /// Opens a stream that is called `id` from now on. Fails if there is no connection.
    pub(crate) fn open(
        &mut self,
        id: u32,
        peer: PeerId,
        protocol: StreamProtocol,
    ) -> Result<(), String> {
        let Some(connection) = self.connections.get(&peer).and_then(|all| all.last()) else {
            return Err("not connected".to_owned());
        };
        self.out.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(*connection),
            event: Opening { id, protocol },
        });
        Ok(())
    }

    fn handler(&self) -> Handler {
        Handler { names: self.names.clone(), openings: VecDeque::new(), events: VecDeque::new() }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = (PeerId, FromHandler);

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                self.connections.entry(made.peer_id).or_default().push(made.connection_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(all) = self.connections.get_mut(&closed.peer_id) {
                    all.retain(|connection| *connection != closed.connection_id);
                    if all.is_empty() {
                        self.connections.remove(&closed.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: FromHandler) {
        self.out.push_back(ToSwarm::GenerateEvent((peer, event)));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<(PeerId, FromHandler), Opening>> {
        match self.out.pop_front() {
            Some(out) => Poll::Ready(out),
            None => Poll::Pending,
        }
    }
}
