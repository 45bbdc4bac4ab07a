//! What a peer sent over hops, before its link sees it (`docs/PROTOCOL.md` §12.8).
//!
//! On a direct connection the transport proves who sends. Over hops everybody on the way may bring
//! anything in the peer's name, and what the peer did send as often as he likes. The link's rates, its
//! refusals and its sense of silence are the peer's: nothing touches them that is not signed by the
//! peer, fresh, and new.

use std::sync::Arc;

use peer_protocol::crypto::PublicKey;
use peer_protocol::envelope::Envelope;
use peer_protocol::link::LinkConfig;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::time::Timestamp;

/// Remembers what one peer sent over hops.
pub(super) struct Routed {
    config: Arc<LinkConfig>,
    key: PublicKey,
    guard: ReplayGuard,
}

impl Routed {
    pub(super) fn new(config: Arc<LinkConfig>, key: PublicKey) -> Self {
        let guard = ReplayGuard::new(config.handshake.max_skew);
        Self { config, key, guard }
    }

    /// Whether an envelope is for this entity and of this time: all that can be said of it before there
    /// is anything to remember its sender by.
    pub(super) fn is_due(config: &LinkConfig, envelope: &Envelope, now: Timestamp) -> bool {
        let header = envelope.header();
        let guard = ReplayGuard::new(config.handshake.max_skew);
        config.handshake.identity.answers_to(&header.recipient)
            && guard.check(header.timestamp, &header.nonce, now).is_ok()
    }

    /// Whether an envelope, signed by the peer, is for this entity and comes for the first time.
    pub(super) fn admit(&mut self, envelope: &Envelope, now: Timestamp) -> bool {
        let header = envelope.header();
        if !self.config.handshake.identity.answers_to(&header.recipient) {
            return false;
        }
        if let Err(error) = self.guard.check(header.timestamp, &header.nonce, now) {
            tracing::debug!(kind = %header.kind, %error, "refused what came over hops");
            return false;
        }
        self.guard.remember(header.timestamp, header.nonce, now);
        true
    }

    /// The bytes of an answer, if they are one of the peer.
    pub(super) fn check_answer(&mut self, bytes: Vec<u8>, now: Timestamp) -> Option<Vec<u8>> {
        let envelope = Envelope::decode(bytes).ok()?;
        envelope.verify(&self.key).ok()?;
        self.admit(&envelope, now).then(|| envelope.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_protocol::crypto::Ed25519Authenticator;
    use peer_protocol::envelope::{EnvelopeKind, Header, plain};
    use peer_protocol::handshake::Config;
    use peer_protocol::id::Nonce;
    use peer_protocol::identity::{EntityId, Identity};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn identity(number: u8) -> Identity {
        let name = format!("entity_{number}").parse().unwrap();
        Identity::new(Some(name), Arc::new(Ed25519Authenticator::from_seed(&[number; 32]))).unwrap()
    }

    /// What entity 1 keeps of entity 2.
    fn routed() -> Routed {
        let config = LinkConfig::new(Config::new(identity(1)));
        Routed::new(Arc::new(config), *identity(2).public_key())
    }

    fn answer(by: u8, to: &str, nonce: u8, at: Timestamp) -> Vec<u8> {
        let header = Header {
            kind: EnvelopeKind::Error,
            sender: identity(by).entity().clone(),
            recipient: to.parse::<EntityId>().unwrap(),
            session: None,
            sequence: 0,
            timestamp: at,
            nonce: Nonce::from_bytes([nonce; 16]),
        };
        plain(&header, b"\xa0", &identity(by))
    }

    #[test]
    fn only_what_the_peer_signed_for_this_entity_counts_and_only_once() {
        let mut routed = routed();
        let minute = Duration::from_secs(61);
        for (what, bytes) in [
            ("signed by another", answer(3, "entity_1", 1, NOW)),
            ("for another", answer(2, "entity_3", 2, NOW)),
            ("old", answer(2, "entity_1", 3, NOW - minute)),
            ("from the future", answer(2, "entity_1", 4, NOW + minute)),
            ("no envelope", b"nothing".to_vec()),
        ] {
            assert_eq!(routed.check_answer(bytes, NOW), None, "{what}");
        }
        let good = answer(2, "entity_1", 5, NOW);
        assert_eq!(routed.check_answer(good.clone(), NOW), Some(good.clone()));
        assert_eq!(routed.check_answer(good.clone(), NOW), None, "again");
        let again = Envelope::decode(good).unwrap();
        assert!(!routed.admit(&again, NOW), "as a request");
        let new = Envelope::decode(answer(2, "entity_1", 6, NOW)).unwrap();
        assert!(routed.admit(&new, NOW));
    }
}
