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
