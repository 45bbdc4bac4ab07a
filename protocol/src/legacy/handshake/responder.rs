//! The side that answers.

use std::fmt;

use rand_core::CryptoRng;
use uuid::Uuid;

use super::payload::{Answer, Challenge, Confirm, Initiate, Response};
use super::{HandshakeError, PeerCheck, check_deadlines, check_envelope, check_sender};
use super::{random, sign};
use crate::crypto::PublicKey;
use crate::identity::{EntityId, Identity, TrustView};
use crate::legacy::msg_type::{HANDSHAKE, HANDSHAKE_ACK, HANDSHAKE_CONFIRM};
use crate::legacy::{Message, NonceMemory, Session, State};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::time::{Instant, Now};

/// The responder, whose `handshake_ack` is out.
pub struct Responder {
    me: Identity,
    peer: EntityId,
    peer_key: PublicKey,
    challenge: Challenge,
    session_id: Uuid,
    started: Instant,
    state: State,
}

impl Responder {
    /// Takes a peer's `handshake`; the `handshake_ack` is to be sent. The caller keeps at most one
    /// responder per peer and limits how many it keeps at all.
    ///
    /// A replayed `handshake` leads nowhere, since its replayer cannot answer the new challenge, but
    /// would keep the caller busy: `nonces` is the peer's memory, or one that strangers share.
    ///
    /// # Errors
    /// [`HandshakeError`] says why the message is refused; nothing is then remembered.
    pub fn accept(
        me: &Identity,
        message: &Message,
        check: PeerCheck<'_>,
        nonces: &mut NonceMemory,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Message), HandshakeError> {
        let content = message.content();
        check_envelope(me, content, HANDSHAKE)?;
        message.check_time(now.timestamp)?;
        nonces.check(&content.nonce, content.sent_at())?;
        let initiate = Initiate::read(&content.payload)?;
        let peer_key = check.key(me, message)?;
        nonces.record(content.nonce, content.sent_at(), now.timestamp)?;

        let peer = content.sender_id.clone();
        let challenge = random(rng);
        let session_id = uuid::Builder::from_random_bytes(random(rng)).into_uuid();
        let answer = me.sign(&Answer::Ack.bytes(&initiate.challenge, me.entity(), &peer));
        let payload = Response { challenge, answer, session_id }.write(me.public_key());
        let ack = sign(me, &peer, HANDSHAKE_ACK, Some(session_id), payload, now, rng);
        let this = Self {
            me: me.clone(),
            peer,
            peer_key,
            challenge,
            session_id,
            started: now.instant,
            state: State::HandshakeSent,
        };
        Ok((this, ack))
    }

    /// Takes the peer's `handshake_confirm`; the session is open, and the peer is recorded in the
    /// trust store. On an error nothing changes, and another `handshake_confirm` may follow until
    /// [`Responder::deadline`].
    ///
    /// # Errors
    /// [`HandshakeError`] says why the message is refused.
    pub fn handle_confirm(
        &mut self,
        message: &Message,
        trust: &dyn TrustView,
        now: Now,
    ) -> Result<Session, HandshakeError> {
        if self.state != State::HandshakeSent {
            return Err(HandshakeError::State { state: self.state, expected: HANDSHAKE_CONFIRM });
        }
        check_deadlines(self.started, now.instant)?;
        let content = message.content();
        check_envelope(&self.me, content, HANDSHAKE_CONFIRM)?;
        check_sender(content, &self.peer)?;
        message.check_time(now.timestamp)?;
        let confirm = Confirm::read(&content.payload)?;
        if confirm.session_id != self.session_id || content.session_id != Some(self.session_id) {
            return Err(HandshakeError::SessionId);
        }
        // The key is settled: the one that signed the `handshake`.
        let check = PeerCheck { trust, expected_key: Some(&self.peer_key) };
        let key = check.key(&self.me, message)?;
        let proof = Answer::Confirm.bytes(&self.challenge, &self.peer, self.me.entity());
        key.verify(&proof, &confirm.answer).map_err(|_| HandshakeError::ChallengeInvalid)?;
        trust.admit(&self.peer, &key, now.timestamp)?;
        self.state = State::Active;
        Ok(Session::new(&self.me, &self.peer, key, self.session_id, content.sent_at(), now))
    }

    /// Whom the handshake is with.
    #[must_use]
    pub const fn peer(&self) -> &EntityId {
        &self.peer
    }

    /// The session that the handshake leads to.
    #[must_use]
    pub const fn session_id(&self) -> Uuid {
        self.session_id
    }

    /// Where the handshake stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the handshake is to be given up.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.started + HANDSHAKE_TIMEOUT
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("peer", &self.peer)
            .field("session_id", &self.session_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
