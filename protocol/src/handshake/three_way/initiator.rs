//! The side that begins: sends `handshake` and `handshake_confirm`.

use super::mac_range;
use crate::cbor;
use crate::crypto::{
    EphemeralKey, KeySchedule, SessionKey, Transcript, confirmation_mac, verify_confirmation,
};
use crate::envelope::{self, Envelope, EnvelopeKind};
use crate::handshake::body::{Ack, Confirm, Offer};
use crate::handshake::incoming::{Incoming, peer_key, remember, same_history, session_lifetime};
use crate::handshake::{Context, Expected, HandshakeError, HandshakeKind, Role};
use crate::session::{Agreed, PeerIdentity, Session};
use crate::time::Instant;

/// Begins a handshake.
///
/// # Errors
/// [`HandshakeError::Parameter`] if neither the peer's entity id nor its key is known.
pub fn start(
    expected: Expected,
    cx: &mut Context<'_>,
) -> Result<(AwaitAck, Vec<u8>), HandshakeError> {
    let recipient = expected.recipient()?;
    let ephemeral = EphemeralKey::generate(cx.rng);
    let offer = Offer::new(cx.config, &ephemeral);
    let header = cx.header(EnvelopeKind::Handshake, recipient, None, 0);
    let e1 = envelope::plain(&header, &cbor::encode(&offer), &cx.config.identity);
    let transcript = Transcript::new().with(&e1);
    let started = cx.now.instant;
    Ok((AwaitAck { expected, ephemeral, offer, transcript, started }, e1))
}

/// Waits for `handshake_ack`.
pub struct AwaitAck {
    expected: Expected,
    ephemeral: EphemeralKey,
    offer: Offer,
    transcript: Transcript,
    started: Instant,
}

impl AwaitAck {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Handles `handshake_ack`; yields the session, and `handshake_confirm` to send.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<(Session, Vec<u8>), HandshakeError> {
        let incoming = Incoming { sequence: 1, sender: None, session: None, started: self.started };
        let body: Ack<'_> = incoming.read(envelope, cx)?;
        if envelope.header().session != Some(body.session_id) {
            return Err(HandshakeError::Session { found: envelope.header().session });
        }
        let mac = body
            .mac
            .try_into()
            .map_err(|_| HandshakeError::Parameter { what: "a MAC of the wrong length" })?;
        same_history(&body.transcript, &self.transcript)?;
        let entity = &envelope.header().sender;
        let key = peer_key(&body.public_key, &self.expected, cx)?;
        self.expected.check(entity, &key)?;
        cx.trust.judge(entity, &key)?;
        let lifetime = session_lifetime(body.lifetime_ms)?;
        let choice = self.offer.accept(cx.config, &body.version, &body.suite, body.features)?;
        envelope.verify(&key)?;

        let shared_secret = self.ephemeral.agree(&body.ephemeral_key)?;
        let blank = mac_range(envelope.payload(), body.mac);
        let handshake_hash = envelope.provisional(&self.transcript, &blank).hash();
        let keys = KeySchedule::expand(&SessionKey::derive(&shared_secret, &handshake_hash));
        verify_confirmation(&keys.responder.confirm, &handshake_hash, &mac)
            .map_err(|_| HandshakeError::Confirmation)?;

        let transcript = self.transcript.with(envelope.as_bytes()).hash();
        let confirm = Confirm {
            mac: confirmation_mac(&keys.initiator.confirm, &transcript),
            session_id: body.session_id,
            transcript,
        };
        let header =
            cx.header(EnvelopeKind::HandshakeConfirm, entity.clone(), Some(body.session_id), 2);
        let e3 = envelope::plain(&header, &cbor::encode(&confirm), &cx.config.identity);
        cx.trust.admit(entity, &key, cx.now.timestamp)?;
        remember(envelope, cx);
        let agreed = Agreed {
            id: body.session_id,
            role: Role::Initiator,
            handshake: HandshakeKind::ThreeWay,
            suite: choice.suite,
            features: choice.features,
            keys,
            peer: PeerIdentity { entity: entity.clone(), key },
            lifetime,
            started: self.started,
            max_skew: cx.config.max_skew,
            hot_keys: cx.config.hot_keys.clone(),
        };
        Ok((Session::new(agreed, cx.now.instant), e3))
    }
}
