//! The side that answers: sends steps 2, 4 and 6.

use super::{challenge_message, sequence};
use crate::cbor;
use crate::crypto::{
    EphemeralKey, KeySchedule, SessionKey, Transcript, confirmation_mac, verify_confirmation,
};
use crate::envelope::{self, Draft, Envelope};
use crate::handshake::body::{
    ChallengeResponse, InitAck, Offer, Ready, SessionConfirm, SessionEstablished,
};
use crate::handshake::incoming::{Incoming, peer_key, remember, same_history};
use crate::handshake::negotiation::Choice;
use crate::handshake::{Context, Expected, HandshakeError, HandshakeKind, Role, Step};
use crate::id::SessionId;
use crate::session::{Agreed, PeerIdentity, Session};
use crate::time::Instant;

/// Handles step 1; answers with step 2.
///
/// # Errors
/// [`HandshakeError`] says which check failed.
pub fn accept(
    envelope: &Envelope,
    expected: &Expected,
    cx: &mut Context<'_>,
) -> Result<(AwaitChallengeResponse, Vec<u8>), HandshakeError> {
    let started = cx.now.instant;
    let incoming = Incoming {
        sequence: sequence(Step::HandshakeInit),
        sender: None,
        session: Some(None),
        started,
    };
    let offer: Offer = incoming.read(envelope, cx)?;
    let entity = &envelope.header().sender;
    let key = peer_key(&offer.public_key, expected, cx)?;
    expected.check(entity, &key)?;
    cx.trust.judge(entity, &key)?;
    let choice = offer.choose(cx.config)?;
    envelope.verify(&key)?;

    let ephemeral = EphemeralKey::generate(cx.rng);
    let shared_secret = ephemeral.agree(&offer.ephemeral_key)?;
    let mut challenge = [0; 32];
    cx.rng.fill_bytes(&mut challenge);
    let transcript = Transcript::new().with(envelope.as_bytes());
    let lifetime = cx.config.challenge_lifetime;
    let ack = InitAck {
        suite: choice.suite.id().to_owned(),
        version: envelope::VERSION.to_owned(),
        features: choice.features.clone(),
        challenge,
        public_key: *cx.config.identity.public_key().as_bytes(),
        transcript: transcript.hash(),
        ephemeral_key: *ephemeral.public(),
        challenge_lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
    };
    let step = Step::HandshakeInitAck;
    let header = cx.header(step.kind(), entity.clone(), None, sequence(step));
    let e2 = envelope::plain(&header, &cbor::encode(&ack), &cx.config.identity);
    let transcript = transcript.with(&e2);
    let session_key = SessionKey::derive(&shared_secret, &transcript.hash());
    remember(envelope, cx);
    let next = AwaitChallengeResponse {
        peer: PeerIdentity { entity: entity.clone(), key },
        keys: KeySchedule::expand(&session_key),
        choice,
        challenge,
        transcript,
        started,
    };
    Ok((next, e2))
}

/// Waits for step 3.
pub struct AwaitChallengeResponse {
    peer: PeerIdentity,
    keys: KeySchedule,
    choice: Choice,
    challenge: [u8; 32],
    transcript: Transcript,
    started: Instant,
}

impl AwaitChallengeResponse {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Handles step 3; answers with step 4.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<(AwaitSessionConfirm, Vec<u8>), HandshakeError> {
        let incoming = Incoming {
            sequence: sequence(Step::ChallengeResponse),
            sender: Some(&self.peer.entity),
            session: Some(None),
            started: self.started,
        };
        let body: ChallengeResponse = incoming.read(envelope, cx)?;
        if cx.now.instant.since(self.started) > cx.config.challenge_lifetime {
            return Err(HandshakeError::ChallengeExpired);
        }
        same_history(&body.transcript, &self.transcript)?;
        envelope.verify(&self.peer.key)?;
        let answer = challenge_message(&self.transcript.hash(), &self.challenge);
        self.peer
            .key
            .verify(&answer, &body.challenge_signature)
            .map_err(|_| HandshakeError::ChallengeInvalid)?;

        let id = SessionId::random(cx.rng);
        let transcript = self.transcript.with(envelope.as_bytes());
        let lifetime = cx.config.session_lifetime;
        let established = SessionEstablished {
            mac: confirmation_mac(&self.keys.responder.confirm, &transcript.hash()),
            session_id: id,
            transcript: transcript.hash(),
            lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
        };
        let step = Step::SessionEstablished;
        let header = cx.header(step.kind(), self.peer.entity.clone(), Some(id), sequence(step));
        let e4 = envelope::plain(&header, &cbor::encode(&established), &cx.config.identity);
        remember(envelope, cx);
        let next = AwaitSessionConfirm {
            id,
            peer: self.peer.clone(),
            keys: self.keys.clone(),
            choice: self.choice.clone(),
            transcript: transcript.with(&e4),
            started: self.started,
        };
        Ok((next, e4))
    }
}

/// Waits for step 5.
pub struct AwaitSessionConfirm {
    id: SessionId,
    peer: PeerIdentity,
    keys: KeySchedule,
    choice: Choice,
    transcript: Transcript,
    started: Instant,
}

impl AwaitSessionConfirm {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The session that is about to be ready.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.id
    }

    /// Handles step 5; yields the session, and step 6 to answer with.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<(Session, Vec<u8>), HandshakeError> {
        let incoming = Incoming {
            sequence: sequence(Step::SessionConfirm),
            sender: Some(&self.peer.entity),
            session: Some(Some(self.id)),
            started: self.started,
        };
        let body: SessionConfirm = incoming.read(envelope, cx)?;
        if body.session_id != self.id {
            return Err(HandshakeError::Session { found: Some(body.session_id) });
        }
        same_history(&body.transcript, &self.transcript)?;
        envelope.verify(&self.peer.key)?;
        verify_confirmation(&self.keys.initiator.confirm, &self.transcript.hash(), &body.mac)
            .map_err(|_| HandshakeError::Confirmation)?;

        let agreed = Agreed {
            id: self.id,
            role: Role::Responder,
            handshake: HandshakeKind::SixStep,
            suite: self.choice.suite,
            features: self.choice.features.clone(),
            keys: self.keys.clone(),
            peer: self.peer.clone(),
            lifetime: cx.config.session_lifetime,
            started: self.started,
            max_skew: cx.config.max_skew,
            hot_keys: cx.config.hot_keys.clone(),
        };
        let mut session = Session::new(agreed, cx.now.instant);
        let transcript = self.transcript.with(envelope.as_bytes()).hash();
        let step = Step::Ready;
        let recipient = self.peer.entity.clone();
        let header = cx.header(step.kind(), recipient, Some(self.id), sequence(step));
        let mut ready = Ready { record: [0; 48], session_id: self.id, transcript };
        // The record's associated data is the envelope around it, which does not depend on it.
        let aad = Draft::new(&header, &cbor::encode(&ready)).aad();
        let record = session.seal_first(&aad, &transcript).map_err(HandshakeError::FirstRecord)?;
        ready.record.copy_from_slice(&record);
        let e6 = envelope::plain(&header, &cbor::encode(&ready), &cx.config.identity);
        cx.trust.admit(&self.peer.entity, &self.peer.key, cx.now.timestamp)?;
        remember(envelope, cx);
        Ok((session, e6))
    }
}
