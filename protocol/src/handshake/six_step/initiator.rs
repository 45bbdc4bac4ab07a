//! The side that begins: sends steps 1, 3 and 5.

use std::time::Duration;

use super::{challenge_message, sequence};
use crate::cbor;
use crate::crypto::{
    EphemeralKey, KeySchedule, SessionKey, Transcript, confirmation_mac, verify_confirmation,
};
use crate::envelope::{self, Envelope};
use crate::handshake::body::{
    ChallengeResponse, InitAck, Offer, Ready, SessionConfirm, SessionEstablished,
};
use crate::handshake::incoming::{Incoming, peer_key, remember, same_history, session_lifetime};
use crate::handshake::negotiation::Choice;
use crate::handshake::{Context, Expected, HandshakeError, HandshakeKind, Role, Step};
use crate::id::SessionId;
use crate::limits::MAX_CHALLENGE_LIFETIME;
use crate::session::{Agreed, PeerIdentity, Session};
use crate::time::Instant;

/// Begins a handshake: step 1.
///
/// # Errors
/// [`HandshakeError::Parameter`] if neither the peer's entity id nor its key is known.
pub fn start(
    expected: Expected,
    cx: &mut Context<'_>,
) -> Result<(AwaitInitAck, Vec<u8>), HandshakeError> {
    let recipient = expected.recipient()?;
    let ephemeral = EphemeralKey::generate(cx.rng);
    let offer = Offer::new(cx.config, &ephemeral);
    let step = Step::HandshakeInit;
    let header = cx.header(step.kind(), recipient, None, sequence(step));
    let e1 = envelope::plain(&header, &cbor::encode(&offer), &cx.config.identity);
    let transcript = Transcript::new().with(&e1);
    let started = cx.now.instant;
    Ok((AwaitInitAck { expected, ephemeral, offer, transcript, started }, e1))
}

/// Waits for step 2.
pub struct AwaitInitAck {
    expected: Expected,
    ephemeral: EphemeralKey,
    offer: Offer,
    transcript: Transcript,
    started: Instant,
}

impl AwaitInitAck {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Handles step 2; answers with step 3.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<(AwaitSessionEstablished, Vec<u8>), HandshakeError> {
        let incoming = Incoming {
            sequence: sequence(Step::HandshakeInitAck),
            sender: None,
            session: Some(None),
            started: self.started,
        };
        let body: InitAck = incoming.read(envelope, cx)?;
        same_history(&body.transcript, &self.transcript)?;
        let entity = &envelope.header().sender;
        let key = peer_key(&body.public_key, &self.expected, cx)?;
        self.expected.check(entity, &key)?;
        cx.trust.judge(entity, &key)?;
        if Duration::from_millis(body.challenge_lifetime_ms) > MAX_CHALLENGE_LIFETIME {
            return Err(HandshakeError::Parameter { what: "a challenge that lives too long" });
        }
        let choice = self.offer.accept(cx.config, &body.version, &body.suite, body.features)?;
        envelope.verify(&key)?;

        let shared_secret = self.ephemeral.agree(&body.ephemeral_key)?;
        let transcript = self.transcript.with(envelope.as_bytes());
        let handshake_hash = transcript.hash();
        let keys = KeySchedule::expand(&SessionKey::derive(&shared_secret, &handshake_hash));
        let answer = challenge_message(&handshake_hash, &body.challenge);
        let response = ChallengeResponse {
            transcript: handshake_hash,
            challenge_signature: cx.config.identity.sign(&answer),
        };
        let step = Step::ChallengeResponse;
        let header = cx.header(step.kind(), entity.clone(), None, sequence(step));
        let e3 = envelope::plain(&header, &cbor::encode(&response), &cx.config.identity);
        remember(envelope, cx);
        let next = AwaitSessionEstablished {
            peer: PeerIdentity { entity: entity.clone(), key },
            keys,
            choice,
            transcript: transcript.with(&e3),
            started: self.started,
        };
        Ok((next, e3))
    }
}

/// Waits for step 4.
pub struct AwaitSessionEstablished {
    peer: PeerIdentity,
    keys: KeySchedule,
    choice: Choice,
    transcript: Transcript,
    started: Instant,
}

impl AwaitSessionEstablished {
    /// When the handshake began.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Handles step 4; answers with step 5.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<(AwaitReady, Vec<u8>), HandshakeError> {
        let incoming = Incoming {
            sequence: sequence(Step::SessionEstablished),
            sender: Some(&self.peer.entity),
            session: None,
            started: self.started,
        };
        let body: SessionEstablished = incoming.read(envelope, cx)?;
        if envelope.header().session != Some(body.session_id) {
            return Err(HandshakeError::Session { found: envelope.header().session });
        }
        same_history(&body.transcript, &self.transcript)?;
        let lifetime = session_lifetime(body.lifetime_ms)?;
        envelope.verify(&self.peer.key)?;
        verify_confirmation(&self.keys.responder.confirm, &self.transcript.hash(), &body.mac)
            .map_err(|_| HandshakeError::Confirmation)?;

        let transcript = self.transcript.with(envelope.as_bytes());
        let confirm = SessionConfirm {
            mac: confirmation_mac(&self.keys.initiator.confirm, &transcript.hash()),
            session_id: body.session_id,
            transcript: transcript.hash(),
        };
        let step = Step::SessionConfirm;
        let recipient = self.peer.entity.clone();
        let header = cx.header(step.kind(), recipient, Some(body.session_id), sequence(step));
        let e5 = envelope::plain(&header, &cbor::encode(&confirm), &cx.config.identity);
        remember(envelope, cx);
        let next = AwaitReady {
            id: body.session_id,
            peer: self.peer.clone(),
            keys: self.keys.clone(),
            choice: self.choice.clone(),
            lifetime,
            transcript: transcript.with(&e5),
            started: self.started,
        };
        Ok((next, e5))
    }
}

/// Waits for step 6.
pub struct AwaitReady {
    id: SessionId,
    peer: PeerIdentity,
    keys: KeySchedule,
    choice: Choice,
    lifetime: Duration,
    transcript: Transcript,
    started: Instant,
}

impl AwaitReady {
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

    /// Handles step 6, which yields the session.
    ///
    /// # Errors
    /// [`HandshakeError`] says which check failed; this state still stands.
    pub fn handle(
        &self,
        envelope: &Envelope,
        cx: &mut Context<'_>,
    ) -> Result<Session, HandshakeError> {
        let incoming = Incoming {
            sequence: sequence(Step::Ready),
            sender: Some(&self.peer.entity),
            session: Some(Some(self.id)),
            started: self.started,
        };
        let body: Ready = incoming.read(envelope, cx)?;
        if body.session_id != self.id {
            return Err(HandshakeError::Session { found: Some(body.session_id) });
        }
        same_history(&body.transcript, &self.transcript)?;
        envelope.verify(&self.peer.key)?;
        let agreed = Agreed {
            id: self.id,
            role: Role::Initiator,
            handshake: HandshakeKind::SixStep,
            suite: self.choice.suite,
            features: self.choice.features.clone(),
            keys: self.keys.clone(),
            peer: self.peer.clone(),
            lifetime: self.lifetime,
            started: self.started,
            max_skew: cx.config.max_skew,
            hot_keys: cx.config.hot_keys.clone(),
        };
        let mut session = Session::new(agreed, cx.now.instant);
        let text = session
            .open_first(&envelope.aad(), &body.record)
            .map_err(HandshakeError::FirstRecord)?;
        if text != body.transcript {
            return Err(HandshakeError::Transcript);
        }
        cx.trust.admit(&self.peer.entity, &self.peer.key, cx.now.timestamp)?;
        remember(envelope, cx);
        Ok(session)
    }
}
