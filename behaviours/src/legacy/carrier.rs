//! How version 1.0 messages travel: request–response on `/peer/1.0.0`, a message asks and a message
//! or an empty frame answers.

use std::collections::HashMap;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_request_response::{
    self as request_response, Event, InboundRequestId, Message as Direction, OutboundFailure,
    OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use libp2p_swarm::{ConnectionId, NetworkBehaviour, THandlerInEvent, ToSwarm};
use peer_protocol::legacy::{Message, MessageError};
use peer_protocol::link::{ExchangeId, RequestId, Transmit};

use super::PROTOCOL;
use super::codec::{Codec, Request};

/// A request that nobody answers has failed after this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Inner = request_response::Behaviour<Codec>;

/// What the network brings.
pub(super) enum Arrival {
    /// A request.
    Request { exchange: ExchangeId, message: Result<Box<Message>, MessageError> },
    /// The answer to a request of ours.
    Answer { id: RequestId, bytes: Vec<u8> },
    /// A request of ours failed.
    Failed { id: RequestId },
    /// The peer does not speak the protocol.
    Unsupported { id: RequestId },
}

/// What polling a carrier yields.
pub(super) enum Polled {
    Arrival(PeerId, ConnectionId, Arrival),
    Swarm(ToSwarm<std::convert::Infallible, THandlerInEvent<Inner>>),
}

pub(super) struct Carrier {
    inner: Inner,
    requests: HashMap<OutboundRequestId, RequestId>,
    exchanges: HashMap<ExchangeId, ResponseChannel<Vec<u8>>>,
    by_inbound: HashMap<InboundRequestId, ExchangeId>,
    next_exchange: u64,
}

impl Carrier {
    pub(super) fn new() -> Self {
        let config = request_response::Config::default().with_request_timeout(REQUEST_TIMEOUT);
        Self {
            inner: Inner::new([(PROTOCOL, ProtocolSupport::Full)], config),
            requests: HashMap::new(),
            exchanges: HashMap::new(),
            by_inbound: HashMap::new(),
            next_exchange: 0,
        }
    }

    /// The wrapped behaviour, for delegating what the swarm asks.
    pub(super) const fn inner(&mut self) -> &mut Inner {
        &mut self.inner
    }

    /// Sends something.
    ///
    /// # Errors
    /// The id of a request for a peer that is not connected; it was not sent.
    pub(super) fn transmit(&mut self, peer: PeerId, transmit: Transmit) -> Result<(), RequestId> {
        match transmit {
            Transmit::Request { id, envelope } => {
                // A request to a stranger would make the inner behaviour dial and queue by itself.
                if !self.inner.is_connected(&peer) {
                    return Err(id);
                }
                let request = self.inner.send_request(&peer, Request::Outgoing(envelope));
                self.requests.insert(request, id);
            }
            Transmit::Answer { exchange, envelope } => {
                if let Some(channel) = self.exchanges.remove(&exchange) {
                    // An answer that nobody waits for any more is reported as an inbound failure.
                    let _ = self.inner.send_response(channel, envelope);
                }
            }
            Transmit::Drop { exchange } => {
                self.exchanges.remove(&exchange);
            }
        }
        Ok(())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        loop {
            let event = match std::task::ready!(self.inner.poll(cx)) {
                ToSwarm::GenerateEvent(event) => event,
                other => {
                    let swarm = other.map_out(|_| unreachable!("events were taken out above"));
                    return Poll::Ready(Polled::Swarm(swarm));
                }
            };
            if let Some(arrived) = self.arrived(event) {
                return Poll::Ready(arrived);
            }
        }
    }

    fn arrived(&mut self, event: Event<Request, Vec<u8>>) -> Option<Polled> {
        match event {
            Event::Message { peer, connection_id, message } => {
                let arrival = match message {
                    Direction::Request { request_id, request, channel } => {
                        let Request::Incoming(message) = request else { return None };
                        let exchange = ExchangeId(self.next_exchange);
                        self.next_exchange += 1;
                        self.exchanges.insert(exchange, channel);
                        self.by_inbound.insert(request_id, exchange);
                        Arrival::Request { exchange, message }
                    }
                    Direction::Response { request_id, response } => {
                        let id = self.requests.remove(&request_id)?;
                        Arrival::Answer { id, bytes: response }
                    }
                };
                Some(Polled::Arrival(peer, connection_id, arrival))
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                let id = self.requests.remove(&request_id)?;
                tracing::debug!(%peer, %error, "a version 1.0 request failed");
                let arrival = match error {
                    OutboundFailure::UnsupportedProtocols => Arrival::Unsupported { id },
                    OutboundFailure::DialFailure
                    | OutboundFailure::Timeout
                    | OutboundFailure::ConnectionClosed
                    | OutboundFailure::Io(_) => Arrival::Failed { id },
                };
                Some(Polled::Arrival(peer, connection_id, arrival))
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a version 1.0 request from the peer failed");
                self.forget(request_id);
                None
            }
            Event::ResponseSent { request_id, .. } => {
                self.forget(request_id);
                None
            }
        }
    }

    fn forget(&mut self, request: InboundRequestId) {
        if let Some(exchange) = self.by_inbound.remove(&request) {
            self.exchanges.remove(&exchange);
        }
    }
}
