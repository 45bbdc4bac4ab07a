//! The side that answers: sends `handshake_ack`.

use super::MAC_OFFSET;
use crate::cbor;
use crate::crypto::{
    EphemeralKey, KeySchedule, SessionKey, Transcript, confirmation_mac, verify_confirmation,
};
use crate::envelope::{Draft, Envelope, EnvelopeKind, VERSION};
use crate::handshake::body::{Ack, Confirm, Offer};
use crate::handshake::incoming::{Incoming, peer_key, remember, same_history};
use crate::handshake::negotiation::Choice;
use crate::handshake::{Context, Expected, HandshakeError, HandshakeKind, Role};
use crate::id::SessionId;
use crate::session::{Agreed, PeerIdentity, Session};
use crate::time::Instant;

/// Handles `handshake`; answers with `handshake_ack`.
///
/// # Errors
/// [`HandshakeError`] says which check failed.
pub fn accept(
    envelope: &Envelope,
    expected: &Expected,
    cx: &mut Context<'_>,
) -> Result<(AwaitConfirm, Vec<u8>), HandshakeError> {
    if !cx.config.accept_three_way {
        return Err(HandshakeError::ThreeWayDisabled);
    }
    let started = cx.now.instant;
    let incoming = Incoming { sequence: 0, sender: None, session: Some(None), started };
    let offer: Offer = incoming.read(envelope, cx)?;
    let entity = &envelope.header().sender;
    let key = peer_key(&offer.public_key, expected, cx)?;
    expected.check(entity, &key)?;
    cx.trust.judge(entity, &key)?;
    let choice = offer.choose(cx.config)?;
    envelope.verify(&key)?;

    let ephemeral = EphemeralKey::generate(cx.rng);
    let shared_secret = ephemeral.agree(&offer.ephemeral_key)?;
    let id = SessionId::random(cx.rng);
    let transcript = Transcript::new().with(envelope.as_bytes());
    let lifetime = cx.config.session_lifetime;
    let zero_mac = [0; 32];
    let ack = Ack {
        mac: &zero_mac,
        suite: choice.suite.id().to_owned(),
        version: VERSION.to_owned(),
        features: choice.features.clone(),
        public_key: *cx.config.identity.public_key().as_bytes(),
        session_id: id,
        transcript: transcript.hash(),
        lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
        ephemeral_key: *ephemeral.public(),
    };
    let header = cx.header(EnvelopeKind::HandshakeAck, entity.clone(), Some(id), 1);
    let mut draft = Draft::new(&header, &cbor::encode(&ack));
    let handshake_hash = draft.transcript(&transcript).hash();
    let keys = KeySchedule::expand(&SessionKey::derive(&shared_secret, &handshake_hash));
    let mac = confirmation_mac(&keys.responder.confirm, &handshake_hash);
    draft.fill(&(MAC_OFFSET..MAC_OFFSET + mac.len()), &mac);
    let e2 = draft.sign(&cx.config.identity);
    remember(envelope, cx);
    let next = AwaitConfirm {
        id,
        peer: PeerIdentity { entity: entity.clone(), key },
        keys,
        choice,
        transcript: transcript.with(&e2),
        started,
    };
    Ok((next, e2))
}

/// Waits for `handshake_confirm`.
pub struct AwaitConfirm {
    id: SessionId,
    peer: PeerIdentity,
    keys: KeySchedule,
    choice: Choice,
    transcript: Transcript,
    started: Instant,
}

impl AwaitConfirm {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The session that is about to be active.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.id
    }

    /// Handles `handshake_confirm`, which yields the session.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Session, HandshakeError> {
        let incoming = Incoming {
            sequence: 2,
            sender: Some(&self.peer.entity),
            session: Some(Some(self.id)),
            started: self.started,
        };
        let body: Confirm = incoming.read(envelope, cx)?;
        if body.session_id != self.id {
            return Err(HandshakeError::Session { found: Some(body.session_id) });
        }
        same_history(&body.transcript, &self.transcript)?;
        envelope.verify(&self.peer.key)?;
        verify_confirmation(&self.keys.initiator.confirm, &self.transcript.hash(), &body.mac)
            .map_err(|_| HandshakeError::Confirmation)?;
        cx.trust.admit(&self.peer.entity, &self.peer.key, cx.now.timestamp)?;
        remember(envelope, cx);
        let agreed = Agreed {
            id: self.id,
            role: Role::Responder,
            handshake: HandshakeKind::ThreeWay,
            suite: self.choice.suite,
            features: self.choice.features.clone(),
            keys: self.keys.clone(),
            peer: self.peer.clone(),
            lifetime: cx.config.session_lifetime,
            started: self.started,
            max_skew: cx.config.max_skew,
            hot_keys: cx.config.hot_keys.clone(),
        };
        Ok(Session::new(agreed, cx.now.instant))
    }
}
