//! A version 1.0 session: numbers, signatures and replays after the handshake.

mod error;
mod sessionless;
#[cfg(test)]
mod tests;

use std::fmt;

use rand_core::CryptoRng;
use uuid::Uuid;

pub use error::SessionError;
pub use sessionless::Sessionless;

use super::handshake::random;
use super::message::{Message, Unsigned, check_msg_type, seconds};
use super::replay::{NonceMemory, ReplayError};
use super::value::{Object, ValueError, check_payload};
use super::{MAX_MESSAGE_LEN, State, msg_type};
use crate::crypto::PublicKey;
use crate::identity::{EntityId, Identity};
use crate::limits::SESSION_LIFETIME;
use crate::time::{Instant, Now, Timestamp};

/// One session with one peer. Only a finished handshake yields one.
pub struct Session {
    me: Identity,
    peer: EntityId,
    peer_key: PublicKey,
    session_id: Uuid,
    /// The number of the next message out; `None` once all are used.
    next_out: Option<u64>,
    last_in: Option<u64>,
    /// The second in which the peer ended its handshake; older messages are from before.
    floor: Timestamp,
    established: Instant,
    closed: bool,
}

impl Session {
    pub(super) fn new(
        me: &Identity,
        peer: &EntityId,
        peer_key: PublicKey,
        session_id: Uuid,
        peer_time: Timestamp,
        now: Now,
    ) -> Self {
        // Some peers cut their timestamps to whole seconds.
        let floor = Timestamp::from_millis(peer_time.as_millis() / 1000 * 1000);
        Self {
            me: me.clone(),
            peer: peer.clone(),
            peer_key,
            session_id,
            next_out: Some(0),
            last_in: None,
            floor,
            established: now.instant,
            closed: false,
        }
    }

    /// Signs the next message to the peer.
    ///
    /// # Errors
    /// [`SessionError`] says why not; no number is then used.
    pub fn seal(
        &mut self,
        msg_type: &str,
        payload: Object,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Message, SessionError> {
        self.check_open(now.instant)?;
        let number = self.next_out.ok_or(SessionError::Exhausted)?;
        let place = Place { session_id: Some(self.session_id), number: Some(number), key: None };
        let message = write(&self.me, &self.peer, place, msg_type, payload, now, rng)?;
        self.next_out = number.checked_add(1);
        Ok(message)
    }

    /// Takes a message from the peer and gives back what it says. On an error nothing changes.
    ///
    /// `nonces` is the peer's memory; see [`NonceMemory`].
    ///
    /// # Errors
    /// [`SessionError`] says why the message is refused.
    pub fn accept<'m>(
        &mut self,
        message: &'m Message,
        nonces: &mut NonceMemory,
        now: Now,
    ) -> Result<&'m Unsigned, SessionError> {
        self.accept_for(message, &|_| false, nonces, now)
    }

    /// The same, of messages for this entity or for one of `others`, to whom the caller passes them on.
    ///
    /// # Errors
    /// As [`Session::accept`].
    pub fn accept_for<'m>(
        &mut self,
        message: &'m Message,
        others: &dyn Fn(&EntityId) -> bool,
        nonces: &mut NonceMemory,
        now: Now,
    ) -> Result<&'m Unsigned, SessionError> {
        let content = message.content();
        self.check_open(now.instant)?;
        if content.session_id != Some(self.session_id) {
            return Err(SessionError::SessionId);
        }
        if content.sender_id != self.peer {
            return Err(SessionError::Sender { expected: self.peer.clone() });
        }
        let meant = |recipient: &EntityId| self.me.answers_to(recipient) || others(recipient);
        if !content.recipient_id.as_ref().is_some_and(meant) {
            return Err(SessionError::Recipient);
        }
        if msg_type::is_handshake(&content.msg_type) {
            return Err(SessionError::Handshake);
        }
        if content.encrypted_payload.is_some() {
            return Err(SessionError::Encrypted);
        }
        let number = content.sequence_num.ok_or(SessionError::NoSequenceNumber)?;
        if let Some(last) = self.last_in
            && number <= last
        {
            return Err(SessionError::SequenceNumber { number, last });
        }
        message.check_time(now.timestamp)?;
        if content.sent_at() < self.floor {
            return Err(ReplayError::Forgotten.into());
        }
        nonces.check(&content.nonce, content.sent_at())?;
        message.verify(&self.peer_key)?;
        nonces.record(content.nonce, content.sent_at(), now.timestamp)?;
        self.last_in = Some(number);
        Ok(content)
    }

    /// Closes the session. Version 1.0 has no message for it; the peer's next one is refused.
    pub const fn close(&mut self) {
        self.closed = true;
    }

    /// The session's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.session_id
    }

    /// The other side.
    #[must_use]
    pub const fn peer(&self) -> &EntityId {
        &self.peer
    }

    /// The key that the other side proved to hold.
    #[must_use]
    pub const fn peer_key(&self) -> &PublicKey {
        &self.peer_key
    }

    /// When the session's life is over.
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        self.established + SESSION_LIFETIME
    }

    /// Where the session stands at `now`: active, or closed by this side or by age.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if self.check_open(now).is_ok() { State::Active } else { State::Closed }
    }

    fn check_open(&self, now: Instant) -> Result<(), SessionError> {
        if self.closed {
            Err(SessionError::Closed)
        } else if now >= self.expires_at() {
            Err(SessionError::Expired)
        } else {
            Ok(())
        }
    }
}

/// Where a message belongs: to a session, or to none.
struct Place {
    session_id: Option<Uuid>,
    number: Option<u64>,
    /// The sender's key, for whoever does not know it.
    key: Option<String>,
}

/// Signs a message to `peer`, if it is one that the peer would read.
fn write(
    me: &Identity,
    peer: &EntityId,
    place: Place,
    msg_type: &str,
    payload: Object,
    now: Now,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Message, SessionError> {
    check_msg_type(msg_type)?;
    if msg_type::is_handshake(msg_type) {
        return Err(SessionError::Handshake);
    }
    check_payload(&payload)?;
    let message = Unsigned {
        msg_type: msg_type.to_owned(),
        sender_id: me.entity().clone(),
        recipient_id: Some(peer.clone()),
        session_id: place.session_id,
        sequence_num: place.number,
        timestamp: seconds(now.timestamp),
        nonce: random(rng),
        payload,
        encrypted_payload: None,
        sender_public_key: place.key,
        jwt_token: None,
    }
    .sign(me);
    let len = message.to_bytes().len();
    if len > MAX_MESSAGE_LEN {
        return Err(ValueError::TooLong { len, max: MAX_MESSAGE_LEN }.into());
    }
    Ok(message)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.session_id)
            .field("peer", &self.peer)
            .field("next_out", &self.next_out)
            .field("last_in", &self.last_in)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
