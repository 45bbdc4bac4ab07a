//! Messages of a peer that opens no session (`docs/PROTOCOL.md` §13.8).

use rand_core::CryptoRng;

use super::{Place, SessionError, write};
use crate::crypto::PublicKey;
use crate::identity::{EntityId, Identity};
use crate::legacy::handshake::key_hex;
use crate::legacy::replay::ReplayError;
use crate::legacy::{Message, NonceMemory, Object, Unsigned, msg_type};
use crate::time::{Now, Timestamp};

/// Signed messages to and from one peer whose key somebody vouches for, without a session.
///
/// What a session would add is a handshake that proves that the peer is there, rising numbers, and an end.
/// Here replays are found by time and nonce alone, so that a message is believed only if it was sent after
/// this side began to remember nonces.
#[derive(Debug, Clone)]
pub struct Sessionless {
    me: Identity,
    peer: EntityId,
    key: PublicKey,
    since: Timestamp,
}

impl Sessionless {
    /// Messages with `peer`, the holder of `key`; nonces are remembered from `since` on.
    #[must_use]
    pub fn new(me: &Identity, peer: EntityId, key: PublicKey, since: Timestamp) -> Self {
        // Some peers cut their timestamps to whole seconds.
        let since = Timestamp::from_millis(since.as_millis() / 1000 * 1000);
        Self { me: me.clone(), peer, key, since }
    }

    /// Signs a message to the peer: `session_id` and `sequence_num` are `null`, `sender_public_key` is this
    /// side's key.
    ///
    /// # Errors
    /// [`SessionError`] says why not.
    pub fn seal(
        &self,
        msg_type: &str,
        payload: Object,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Message, SessionError> {
        let key = Some(key_hex(self.me.public_key()));
        let place = Place { session_id: None, number: None, key };
        write(&self.me, &self.peer, place, msg_type, payload, now, rng)
    }

    /// Takes a message from the peer, for this entity or for one of `others`, and gives back what it says.
    /// Its session and number mean nothing. On an error nothing changes.
    ///
    /// # Errors
    /// [`SessionError`] says why the message is refused.
    pub fn accept<'m>(
        &self,
        message: &'m Message,
        others: &dyn Fn(&EntityId) -> bool,
        nonces: &mut NonceMemory,
        now: Now,
    ) -> Result<&'m Unsigned, SessionError> {
        let content = message.content();
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
        message.check_time(now.timestamp)?;
        if content.sent_at() < self.since {
            return Err(ReplayError::Forgotten.into());
        }
        nonces.check(&content.nonce, content.sent_at())?;
        message.verify(&self.key)?;
        nonces.record(content.nonce, content.sent_at(), now.timestamp)?;
        Ok(content)
    }
}
