//! How envelopes travel: the one seam between links and the network (`docs/PROTOCOL.md` §14).
//!
//! A carrier takes [`Transmit`]s and gives back what the peer sends. This one is request–response, which
//! every peer speaks and which carries everything. Session streams ([`super::stream`]) carry sealed
//! envelopes once there is one; links do not notice which it is.

use std::collections::HashMap;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_core::upgrade::NegotiationError;
use libp2p_request_response::{
    self as request_response, Event, InboundRequestId, Message, OutboundFailure, OutboundRequestId,
    ProtocolSupport, ResponseChannel,
};
use libp2p_swarm::{
    ConnectionId, FromSwarm, NetworkBehaviour, StreamProtocol, THandlerInEvent, ToSwarm,
};
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::link::{ExchangeId, RequestId, Transmit};

use super::codec::{Codec, Request};

/// The protocol's name.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/peer/1.1.0");

/// A request that nobody answers has failed after this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of one connection at once, in both directions. Two links have at most seventeen requests
/// each under way.
const MAX_STREAMS: usize = 64;

pub(super) type Inner = request_response::Behaviour<Codec>;

/// What the network brings.
pub(super) enum Arrival {
    /// A request.
    Request { exchange: ExchangeId, envelope: Result<Envelope, EnvelopeError> },
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

/// Request–response.
pub(super) struct Carrier {
    inner: Inner,
    requests: HashMap<OutboundRequestId, RequestId>,
    exchanges: HashMap<ExchangeId, ResponseChannel<Vec<u8>>>,
    by_inbound: HashMap<InboundRequestId, ExchangeId>,
    next_exchange: u64,
}

impl Carrier {
    pub(super) fn new() -> Self {
        let config = request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(MAX_STREAMS);
        Self {
            inner: Inner::with_codec(Codec::new(), [(PROTOCOL, ProtocolSupport::Full)], config),
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

    pub(super) fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    /// Sends something.
    ///
    /// # Errors
    /// The id of a request for a peer that is not connected; it has failed already.
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
        let (peer, connection, arrival) = match event {
            Event::Message { peer, connection_id, message } => {
                let arrival = match message {
                    Message::Request { request_id, request, channel } => {
                        let Request::Incoming(envelope) = request else { return None };
                        let exchange = ExchangeId(self.next_exchange);
                        self.next_exchange += 1;
                        self.exchanges.insert(exchange, channel);
                        self.by_inbound.insert(request_id, exchange);
                        Arrival::Request { exchange, envelope }
                    }
                    Message::Response { request_id, response } => {
                        let id = self.requests.remove(&request_id)?;
                        Arrival::Answer { id, bytes: response }
                    }
                };
                (peer, connection_id, arrival)
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                let id = self.requests.remove(&request_id)?;
                tracing::debug!(%peer, %error, "a request failed");
                let arrival = match error {
                    OutboundFailure::UnsupportedProtocols => Arrival::Unsupported { id },
                    OutboundFailure::Io(error) if is_refusal(&error) => Arrival::Unsupported { id },
                    OutboundFailure::DialFailure
                    | OutboundFailure::Timeout
                    | OutboundFailure::ConnectionClosed
                    | OutboundFailure::Io(_) => Arrival::Failed { id },
                };
                (peer, connection_id, arrival)
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a request from the peer failed");
                self.forget(request_id);
                return None;
            }
            Event::ResponseSent { request_id, .. } => {
                self.forget(request_id);
                return None;
            }
        };
        Some(Polled::Arrival(peer, connection, arrival))
    }

    fn forget(&mut self, request: InboundRequestId) {
        if let Some(exchange) = self.by_inbound.remove(&request) {
            self.exchanges.remove(&exchange);
        }
    }
}

/// Whether the peer refused the protocol. With lazy negotiation that comes to light only when the
/// answer is read.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref())
        .is_some_and(|inner| matches!(inner, NegotiationError::Failed))
}
