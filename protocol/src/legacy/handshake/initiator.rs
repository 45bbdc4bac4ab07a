//! The side that opens.

use std::fmt;

use rand_core::CryptoRng;

use super::payload::{Answer, Challenge, Confirm, Initiate, Response};
use super::{HandshakeError, PeerCheck, check_deadlines, check_envelope, check_sender};
use super::{random, sign};
use crate::identity::{EntityId, Identity};
use crate::legacy::msg_type::{HANDSHAKE, HANDSHAKE_ACK, HANDSHAKE_CONFIRM};
use crate::legacy::{Message, Session, State};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::time::{Instant, Now};

/// The initiator, whose `handshake` is out.
pub struct Initiator {
    me: Identity,
    peer: EntityId,
    challenge: Challenge,
    started: Instant,
    state: State,
}

impl Initiator {
    /// Opens a handshake with `peer`; the message is to be sent.
    ///
    /// # Errors
    /// [`HandshakeError::Reflected`] if `peer` is this entity itself.
    pub fn start(
        me: &Identity,
        peer: &EntityId,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Message), HandshakeError> {
        if me.answers_to(peer) {
            return Err(HandshakeError::Reflected);
        }
        let challenge = random(rng);
        let payload = Initiate { challenge }.write(me.public_key());
        let message = sign(me, peer, HANDSHAKE, None, payload, now, rng);
        let this = Self {
            me: me.clone(),
            peer: peer.clone(),
            challenge,
            started: now.instant,
            state: State::HandshakeSent,
        };
        Ok((this, message))
    }

    /// Takes the peer's `handshake_ack`; the `handshake_confirm` is to be sent, and the session is
    /// open. The peer is recorded in the trust store. On an error nothing changes, and another
    /// `handshake_ack` may follow until [`Initiator::deadline`].
    ///
    /// # Errors
    /// [`HandshakeError`] says why the message is refused.
    pub fn handle_ack(
        &mut self,
        message: &Message,
        check: PeerCheck<'_>,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Session, Message), HandshakeError> {
        if self.state != State::HandshakeSent {
            return Err(HandshakeError::State { state: self.state, expected: HANDSHAKE_ACK });
        }
        check_deadlines(self.started, now.instant)?;
        let content = message.content();
        check_envelope(&self.me, content, HANDSHAKE_ACK)?;
        check_sender(content, &self.peer)?;
        message.check_time(now.timestamp)?;
        let response = Response::read(&content.payload)?;
        if content.session_id != Some(response.session_id) {
            return Err(HandshakeError::SessionId);
        }
        let key = check.key(&self.me, message)?;
        let proof = Answer::Ack.bytes(&self.challenge, &self.peer, self.me.entity());
        key.verify(&proof, &response.answer).map_err(|_| HandshakeError::ChallengeInvalid)?;
        check.trust.admit(&self.peer, &key, now.timestamp)?;
        self.state = State::Active;

        let proof = Answer::Confirm.bytes(&response.challenge, self.me.entity(), &self.peer);
        let session_id = response.session_id;
        let payload = Confirm { answer: self.me.sign(&proof), session_id }.write();
        let confirm =
            sign(&self.me, &self.peer, HANDSHAKE_CONFIRM, Some(session_id), payload, now, rng);
        let session = Session::new(&self.me, &self.peer, key, session_id, content.sent_at(), now);
        Ok((session, confirm))
    }

    /// Whom the handshake is with.
    #[must_use]
    pub const fn peer(&self) -> &EntityId {
        &self.peer
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

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator")
            .field("peer", &self.peer)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
