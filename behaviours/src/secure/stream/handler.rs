//! Negotiating session streams on one connection. Once there is one, it belongs to the peer's driver,
//! and nothing of what it carries passes here.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use either::Either;
use futures::future;
use libp2p_core::upgrade::{DeniedUpgrade, ReadyUpgrade};
use libp2p_swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound, StreamUpgradeError,
};
use libp2p_swarm::{ConnectionHandler, Stream, StreamProtocol, SubstreamProtocol};

/// The protocol's name.
pub(in crate::secure) const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/1.1.0/session");

/// Streams on their way to the driver at once; of more, the oldest goes.
const MAX_ACCEPTED: usize = 2;

/// Opens a stream.
#[derive(Debug)]
pub struct Open;

/// What the handler tells.
#[derive(Debug)]
pub enum Told {
    /// A stream that this side asked for.
    Opened(Stream),
    /// A stream that the peer opened.
    Accepted(Stream),
    /// There is no stream; whether the peer does not speak the protocol.
    Failed {
        /// It does not.
        unsupported: bool,
    },
}

/// The handler.
#[derive(Debug)]
pub struct Handler {
    /// Whether streams of the peer are accepted.
    accepts: bool,
    /// A stream is to be opened.
    wanted: bool,
    /// At most one entry per stream asked for, of which there is one at a time, and `MAX_ACCEPTED`.
    told: VecDeque<Told>,
}

impl Handler {
    pub(in crate::secure) const fn new(accepts: bool) -> Self {
        Self { accepts, wanted: false, told: VecDeque::new() }
    }

    fn accept(&mut self, stream: Stream) {
        let is_accepted = |told: &Told| matches!(told, Told::Accepted(_));
        if self.told.iter().filter(|told| is_accepted(told)).count() >= MAX_ACCEPTED
            && let Some(oldest) = self.told.iter().position(is_accepted)
        {
            self.told.remove(oldest);
        }
        self.told.push_back(Told::Accepted(stream));
    }
}

/// A session keeps its connection open, not the streams that carry it.
fn idle(mut stream: Stream) -> Stream {
    stream.ignore_for_keep_alive();
    stream
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Told;
    type InboundProtocol = Either<ReadyUpgrade<StreamProtocol>, DeniedUpgrade>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let accepted = ReadyUpgrade::new(PROTOCOL);
        let protocol =
            if self.accepts { Either::Left(accepted) } else { Either::Right(DeniedUpgrade) };
        SubstreamProtocol::new(protocol, ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Told>> {
        if let Some(told) = self.told.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        if std::mem::take(&mut self.wanted) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, Open: Open) {
        self.wanted = true;
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, ReadyUpgrade<StreamProtocol>, (), ()>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.told.push_back(Told::Opened(idle(protocol))),
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: future::Either::Left(protocol),
                ..
            }) => self.accept(idle(protocol)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let unsupported = matches!(error, StreamUpgradeError::NegotiationFailed);
                self.told.push_back(Told::Failed { unsupported });
            }
            _ => {}
        }
    }
}
