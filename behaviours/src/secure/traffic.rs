//! What moves between connections and links: what arrives, what links want, and which connections stay.

use std::task::Context;

use libp2p_core::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p_swarm::{CloseConnection, ConnectionId, NotifyHandler, ToSwarm};
use peer_protocol::envelope::{Envelope, EnvelopeError};
use peer_protocol::identity::{EntityId, TrustLevel};
use peer_protocol::link::{self, ExchangeId, Transmit};
use peer_protocol::rate_limit::RateClass;
use peer_protocol::time::Instant;

use super::carrier::Arrival;
use super::driver::{Input, Output};
use super::peers::key_of;
use super::{Behaviour, Event, EventKind, Hops};
use crate::keep_alive::FromBehaviour;
use crate::prefix::Prefix;

impl Behaviour {
    pub(super) fn on_arrival(&mut self, peer: PeerId, connection: ConnectionId, arrival: Arrival) {
        let now = self.clock.now().instant;
        match &arrival {
            Arrival::Request { .. } | Arrival::Answer { .. } => {
                self.connections.heard(peer, connection, now);
            }
            Arrival::Unsupported { .. } => self.connections.alive(&peer, connection),
            Arrival::Failed { .. } => {}
        }
        let dead = self.connections.dead(&peer, now);
        self.close_connections(peer, dead);
        let input = match arrival {
            Arrival::Request { exchange, envelope } => {
                return self.on_request(peer, connection, exchange, envelope, now);
            }
            Arrival::Answer { id, bytes } => Input::Answer(id, bytes),
            Arrival::Failed { id } => Input::Failed(id),
            Arrival::Unsupported { id } => {
                let event = Event { peer, kind: EventKind::Unsupported };
                self.pending.push_back(ToSwarm::GenerateEvent(event));
                Input::Failed(id)
            }
        };
        if let Some(state) = self.peers.get(&peer) {
            state.deliver(input);
        }
    }

    pub(super) fn on_request(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        exchange: ExchangeId,
        envelope: Result<Envelope, EnvelopeError>,
        now: Instant,
    ) {
        let input = match envelope {
            Ok(envelope) if envelope.header().kind.starts_handshake() => {
                let old = self.connections.restarted(&peer, connection);
                self.close_connections(peer, old);
                let is_known = self.is_known(&peer, &envelope.header().sender);
                let admitted = if is_known {
                    self.gate.admit_known(peer, now)
                } else {
                    let prefix = self.connections.prefix(&peer, connection);
                    self.gate.admit(peer, prefix, now)
                };
                match admitted {
                    Ok(()) => Input::Request(exchange, Box::new(Ok(envelope))),
                    Err(limited) => {
                        self.config.limit_hits.count(RateClass::Handshake);
                        // A refusal takes a signature, and perhaps a link.
                        if !is_known && !self.gate.answers(now) {
                            return self.drop_exchange(peer, exchange);
                        }
                        Input::Refuse(exchange, Box::new(envelope), limited)
                    }
                }
            }
            envelope => Input::Request(exchange, Box::new(envelope)),
        };
        if self.offer(peer, input).is_err() {
            // The peer's request fails at once, and it tries again later.
            self.drop_exchange(peer, exchange);
        }
    }

    fn drop_exchange(&mut self, peer: PeerId, exchange: ExchangeId) {
        // Only a request can fail, and this is none.
        let _ = self.carrier.transmit(peer, Transmit::Drop { exchange });
    }

    /// Whether the peer has a session, or is pinned by the name that it gives.
    fn is_known(&self, peer: &PeerId, name: &EntityId) -> bool {
        let has_session = self.peers.get(peer).is_some_and(|state| !state.sessions.is_empty());
        let pinned = || key_of(peer).and_then(|key| self.trust.level(name, &key));
        has_session || pinned() == Some(TrustLevel::Pinned)
    }

    pub(super) fn on_output(&mut self, peer: PeerId, output: Output) {
        match output {
            Output::Transmit(transmit) => {
                if let Some(transmit) = self.over_hops(peer, transmit)
                    && let Err(id) = self.carrier.transmit(peer, transmit)
                    && let Some(state) = self.peers.get(&peer)
                {
                    state.deliver(Input::Failed(id));
                }
            }
            Output::Misled => self.report_hops(peer, Hops::Misled),
            Output::WantsStream => self.open_stream(peer),
            Output::Heard(connection) => self.on_frames(peer, connection),
            Output::Unanswered(connection) => self.on_unanswered(peer, connection),
            Output::Refused(connection) => self.connections.refuses_streams(peer, connection),
            Output::Event(event) => {
                self.note(peer, &event);
                let event = Event { peer, kind: EventKind::Link(event) };
                self.pending.push_back(ToSwarm::GenerateEvent(event));
            }
        }
    }

    /// Keeps connections open while there is a session, and remembers which ones are suspect.
    pub(super) fn note(&mut self, peer: PeerId, event: &link::Event) {
        if matches!(event, link::Event::Unresponsive) {
            let silent = self.connections.suspect(&peer);
            self.close_connections(peer, silent);
        }
        // Most of what is told, and nothing is noted of it.
        if matches!(event, link::Event::Message(_)) {
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let before = state.sessions.is_empty();
        state.note(event);
        let after = state.sessions.is_empty();
        if before != after {
            for connection in self.connections.ids(&peer) {
                self.pending.push_back(ToSwarm::NotifyHandler {
                    peer_id: peer,
                    handler: NotifyHandler::One(connection),
                    event: FromBehaviour::Keep(!after),
                });
            }
        }
    }

    pub(super) fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        let ConnectionEstablished { peer_id, connection_id, endpoint, .. } = event;
        let now = self.clock.now().instant;
        let prefix = Prefix::at(endpoint);
        let dialed = endpoint.is_dialer();
        let silent = self.connections.opened(peer_id, connection_id, prefix, dialed, now);
        self.close_connections(peer_id, silent);
        if let Some(state) = self.peers.get_mut(&peer_id) {
            state.set_direct(true);
        }
        self.move_stream(peer_id, connection_id);
        self.wake();
    }

    pub(super) fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        if self.connections.closed(&event.peer_id, event.connection_id)
            && let Some(state) = self.peers.touch(&event.peer_id)
        {
            state.set_direct(false);
        }
        self.stream_closed(&event.peer_id, event.connection_id);
    }

    pub(super) fn close_connections(&mut self, peer_id: PeerId, connections: Vec<ConnectionId>) {
        for connection in connections {
            tracing::debug!(peer = %peer_id, %connection, "closing a connection in favour of another");
            let connection = CloseConnection::One(connection);
            self.pending.push_back(ToSwarm::CloseConnection { peer_id, connection });
        }
    }

    /// Closes surplus connections whose time has come. Returns whether there is something to do now;
    /// otherwise the timer wakes the task when there will be.
    pub(super) fn choose_connections(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.now().instant;
        while let Some((peer, surplus)) = self.connections.surplus(now) {
            self.close_connections(peer, surplus);
        }
        self.timer = (self.connections.next_choice())
            .map(|due| Box::pin(tokio::time::sleep(due.since(now))));
        let over = self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        over || !self.pending.is_empty()
    }
}
