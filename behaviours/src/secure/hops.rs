//! Links to peers that are reached over hops (`docs/PROTOCOL.md` §12.8).
//!
//! Who carries the envelopes, and how, is the owner's business: it is handed what has to go out, and
//! hands in what comes back and what arrives.

use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_swarm::ToSwarm;
use peer_protocol::envelope::Envelope;
use peer_protocol::link::{ExchangeId, RequestId, Transmit};
use peer_protocol::rate_limit::RateClass;
use thiserror::Error;

use super::doorman::Knock;
use super::driver::Input;
use super::peers::key_of;
use super::routed::Routed;
use super::{Behaviour, Event, EventKind};

/// A request that came over hops. The owner chose the id; the answer comes under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutedId(pub u64);

/// Marks exchanges with a [`RoutedId`] among those of direct connections, which count up from zero.
const ROUTED: u64 = 1 << 63;

/// Something that has to go over hops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hops {
    /// Send the peer a request. Its answer is reported by [`Behaviour::hop_answered`], its failure by
    /// [`Behaviour::hop_failed`].
    Request {
        /// The id to report under.
        id: RequestId,
        /// The bytes.
        envelope: Vec<u8>,
    },
    /// Answer a request of the peer.
    Answer {
        /// Which.
        request: RoutedId,
        /// The bytes.
        envelope: Vec<u8>,
    },
    /// Leave a request of the peer without an answer.
    Drop {
        /// Which.
        request: RoutedId,
    },
    /// An answer was not the peer's, or an old one: somebody on the way is not honest.
    Misled,
}

/// Why a request that came over hops is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HopRefusal {
    /// It is no envelope, or its origin's key is none that can be used.
    #[error("not an envelope of anybody")]
    Garbage,
    /// The neighbour brings too many handshakes, or too many new origins.
    #[error("too many new origins; try again in {} ms", retry_after.as_millis())]
    RateLimited {
        /// When there will be a token.
        retry_after: Duration,
    },
    /// Too much is under way.
    #[error("too much is under way; try again")]
    Busy,
}

impl Behaviour {
    /// Says whether `peer` can be reached over hops. Its link then counts as connected, and what it has
    /// to send comes as [`EventKind::Hops`] for as long as there is no direct connection. Sessions and
    /// messages do not notice a change.
    pub fn set_hops(&mut self, peer: &PeerId, hops: bool) {
        if let Some(state) = self.peers.get_mut(peer) {
            state.set_hops(hops);
        }
    }

    /// No peer can be reached over hops any more.
    pub fn clear_hops(&mut self) {
        self.peers.values_mut().for_each(|state| state.set_hops(false));
    }

    /// Whether `peer` counts as reachable over hops.
    #[must_use]
    pub fn has_hops(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(super::peers::Peer::has_hops)
    }

    /// The answer to a request that went over hops.
    pub fn hop_answered(&mut self, peer: &PeerId, id: RequestId, envelope: Vec<u8>) {
        if let Some(state) = self.peers.get(peer) {
            state.deliver(Input::RoutedAnswer(id, envelope));
        }
    }

    /// A request that went over hops will not be answered.
    pub fn hop_failed(&mut self, peer: &PeerId, id: RequestId) {
        if let Some(state) = self.peers.get(peer) {
            state.deliver(Input::Failed(id));
        }
    }

    /// A request that came over hops, brought by `neighbour`, who pays for it: the origin is a mere
    /// claim so far. What becomes of it follows as [`Hops::Answer`] or [`Hops::Drop`].
    ///
    /// # Errors
    /// [`HopRefusal`] if it is not taken; nothing follows then.
    pub fn hop_request(
        &mut self,
        id: RoutedId,
        origin: PeerId,
        neighbour: PeerId,
        envelope: Vec<u8>,
    ) -> Result<(), HopRefusal> {
        let key = key_of(&origin).ok_or(HopRefusal::Garbage)?;
        let envelope = Envelope::decode(envelope).map_err(|_| HopRefusal::Garbage)?;
        // Keys are free as well: a link for a new one costs as much as a handshake.
        if envelope.header().kind.starts_handshake() || self.peers.get(&origin).is_none() {
            let now = self.clock.now().instant;
            self.gate.admit_routed(neighbour, now).map_err(|limited| {
                self.config.limit_hits.count(RateClass::Handshake);
                HopRefusal::RateLimited { retry_after: limited.retry_after }
            })?;
        }
        let asked = self.doorman.ask(Knock { id, origin, key, envelope });
        self.wake();
        if asked { Ok(()) } else { Err(HopRefusal::Busy) }
    }

    /// The doorman knows who sent a request.
    pub(super) fn on_checked(&mut self, knock: Knock, signed: bool) {
        let Knock { id, origin, envelope, .. } = knock;
        let exchange = ExchangeId(ROUTED | id.0);
        if !signed {
            tracing::debug!(%origin, "a forged request came over hops");
        }
        // Without a link no nonce of the origin was seen, so nothing is left to check that needs one.
        let due = Routed::is_due(&self.config, &envelope, self.clock.now().timestamp);
        if !signed
            || !due
            || self.offer(origin, Input::Routed(exchange, Box::new(envelope))).is_err()
        {
            self.report_hops(origin, Hops::Drop { request: id });
        }
    }

    /// Sends on what has to go over hops; gives back the rest.
    pub(super) fn over_hops(&mut self, peer: PeerId, transmit: Transmit) -> Option<Transmit> {
        let routed = |exchange: ExchangeId| {
            (exchange.0 & ROUTED != 0).then_some(RoutedId(exchange.0 & !ROUTED))
        };
        let hops = match transmit {
            Transmit::Request { id, envelope }
                if !self.connections.is_connected(&peer) && self.has_hops(&peer) =>
            {
                Hops::Request { id, envelope }
            }
            Transmit::Answer { exchange, envelope } => match routed(exchange) {
                Some(request) => Hops::Answer { request, envelope },
                None => return Some(Transmit::Answer { exchange, envelope }),
            },
            Transmit::Drop { exchange } => match routed(exchange) {
                Some(request) => Hops::Drop { request },
                None => return Some(Transmit::Drop { exchange }),
            },
            direct @ Transmit::Request { .. } => return Some(direct),
        };
        self.report_hops(peer, hops);
        None
    }

    pub(super) fn report_hops(&mut self, peer: PeerId, hops: Hops) {
        let event = Event { peer, kind: EventKind::Hops(hops) };
        self.pending.push_back(ToSwarm::GenerateEvent(event));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
    use peer_protocol::envelope::{EnvelopeKind, Header, plain};
    use peer_protocol::handshake::Config;
    use peer_protocol::id::Nonce;
    use peer_protocol::identity::{
        Admission, EntityId, Identity, TrustError, TrustLevel, TrustView,
    };
    use peer_protocol::link::LinkConfig;
    use peer_protocol::time::Timestamp;

    use super::super::{GateConfig, peer_id_of};
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    struct Anybody;

    impl TrustView for Anybody {
        fn judge(&self, _: &EntityId, _: &PublicKey) -> Result<(), TrustError> {
            Ok(())
        }

        fn admit(
            &self,
            _: &EntityId,
            _: &PublicKey,
            _: Timestamp,
        ) -> Result<Admission, TrustError> {
            Ok(Admission::Unrecorded)
        }

        fn level(&self, _: &EntityId, _: &PublicKey) -> Option<TrustLevel> {
            None
        }
    }

    fn identity(seed: u8, name: &str) -> Identity {
        let key = Ed25519Authenticator::from_seed(&[seed; 32]);
        Identity::new(Some(name.parse().unwrap()), Arc::new(key)).unwrap()
    }

    /// Identities are free, and a signed envelope of anybody to anybody can be sent to everybody.
    #[tokio::test]
    async fn what_is_not_for_this_entity_or_not_of_this_time_makes_no_link() {
        let clock = Arc::new(SystemClock::new());
        let now = clock.now().timestamp;
        let minute = Duration::from_secs(61);
        let config = LinkConfig::new(Config::new(identity(1, "entity_1")));
        let trust = Arc::new(Anybody);
        let mut behaviour = Behaviour::new(config, GateConfig::default(), trust, clock);
        let mut knock = |seed: u8, signed, to: &str, timestamp: Timestamp| {
            let sender = identity(seed, "somebody");
            let header = Header {
                kind: EnvelopeKind::Error,
                sender: sender.entity().clone(),
                recipient: to.parse().unwrap(),
                session: None,
                sequence: 0,
                timestamp,
                nonce: Nonce::from_bytes([seed; 16]),
            };
            let envelope = Envelope::decode(plain(&header, b"\xa0", &sender)).unwrap();
            let (key, id) = (*sender.public_key(), RoutedId(seed.into()));
            let origin = peer_id_of(&key).unwrap();
            behaviour.on_checked(Knock { id, origin, key, envelope }, signed);
            let dropped = behaviour.pending.drain(..).any(|event| {
                let dropped = EventKind::Hops(Hops::Drop { request: id });
                matches!(event, ToSwarm::GenerateEvent(Event { kind, .. }) if kind == dropped)
            });
            (dropped, behaviour.peers.len())
        };
        assert_eq!(knock(2, false, "entity_1", now), (true, 0), "forged");
        assert_eq!(knock(3, true, "entity_3", now), (true, 0), "for another");
        assert_eq!(knock(4, true, "entity_1", now - minute), (true, 0), "old");
        assert_eq!(knock(5, true, "entity_1", now + minute), (true, 0), "from the future");
        assert_eq!(knock(6, true, "entity_1", now), (false, 1));
    }
}
