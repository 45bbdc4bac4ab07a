//! The three-message handshake. The parent module documents the payloads.

mod error;
mod initiator;
mod payload;
mod responder;

pub use error::HandshakeError;
pub use initiator::Initiator;
pub use responder::Responder;

pub(super) use payload::key_hex;

use rand_core::CryptoRng;
use uuid::Uuid;

use super::message::{Message, Unsigned, seconds};
use super::value::Object;
use crate::crypto::PublicKey;
use crate::identity::{EntityId, Fingerprint, Identity, TrustView};
use crate::limits::{CHALLENGE_LIFETIME, HANDSHAKE_TIMEOUT};
use crate::time::{Instant, Now};

/// How a peer's key is judged.
#[derive(Clone, Copy)]
pub struct PeerCheck<'a> {
    /// The trust store.
    pub trust: &'a dyn TrustView,
    /// The only acceptable key, if the caller knows it: from configuration, or from the connection.
    pub expected_key: Option<&'a PublicKey>,
}

impl PeerCheck<'_> {
    /// The key of the peer that sent `message`, once it may pass and the signature holds under it.
    fn key(&self, me: &Identity, message: &Message) -> Result<PublicKey, HandshakeError> {
        let key = self.offered(message.content())?;
        if key == *me.public_key() {
            return Err(HandshakeError::Reflected);
        }
        if let Some(expected) = self.expected_key
            && key != *expected
        {
            return Err(HandshakeError::UnexpectedKey {
                expected: Fingerprint::of(expected),
                offered: Fingerprint::of(&key),
            });
        }
        self.trust.judge(&message.content().sender_id, &key)?;
        message.verify(&key)?;
        Ok(key)
    }

    fn offered(&self, content: &Unsigned) -> Result<PublicKey, HandshakeError> {
        let expected = || self.expected_key.copied().ok_or(HandshakeError::NoPublicKey);
        shown_key(content)?.map_or_else(expected, Ok)
    }
}

/// The key that a message says is its sender's: `public_key` of the payload, or `sender_public_key`. It
/// proves nothing until the signature holds under it.
///
/// # Errors
/// [`HandshakeError`] if it cannot be read, or the two differ.
pub fn shown_key(content: &Unsigned) -> Result<Option<PublicKey>, HandshakeError> {
    let outside = content.sender_public_key.as_deref().map(payload::read_key).transpose()?;
    let inside = match content.payload.get("public_key") {
        Some(value) => {
            let text = value.as_str().ok_or(HandshakeError::MalformedKey)?;
            Some(payload::read_key(text)?)
        }
        None => None,
    };
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside != outside => Err(HandshakeError::KeyConflict),
        (inside, outside) => Ok(inside.or(outside)),
    }
}

/// What can be checked of a handshake message without its key.
fn check_envelope(
    me: &Identity,
    content: &Unsigned,
    expected: &'static str,
) -> Result<(), HandshakeError> {
    if content.msg_type != expected {
        return Err(HandshakeError::MsgType { expected });
    }
    if me.answers_to(&content.sender_id) {
        return Err(HandshakeError::Reflected);
    }
    if !content.recipient_id.as_ref().is_some_and(|recipient| me.answers_to(recipient)) {
        return Err(HandshakeError::Recipient);
    }
    Ok(())
}

/// The sender must not change between the messages of one handshake.
fn check_sender(content: &Unsigned, expected: &EntityId) -> Result<(), HandshakeError> {
    if content.sender_id == *expected {
        Ok(())
    } else {
        Err(HandshakeError::Sender { expected: expected.clone() })
    }
}

/// Whether a challenge given at `started` may still be answered.
fn check_deadlines(started: Instant, now: Instant) -> Result<(), HandshakeError> {
    let age = now.since(started);
    if age > CHALLENGE_LIFETIME {
        Err(HandshakeError::ChallengeExpired)
    } else if age > HANDSHAKE_TIMEOUT {
        Err(HandshakeError::TimedOut)
    } else {
        Ok(())
    }
}

fn sign(
    me: &Identity,
    recipient: &EntityId,
    msg_type: &str,
    session_id: Option<Uuid>,
    payload: Object,
    now: Now,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Message {
    Unsigned {
        msg_type: msg_type.to_owned(),
        sender_id: me.entity().clone(),
        recipient_id: Some(recipient.clone()),
        session_id,
        sequence_num: None,
        timestamp: seconds(now.timestamp),
        nonce: random(rng),
        payload,
        encrypted_payload: None,
        sender_public_key: Some(key_hex(me.public_key())),
        jwt_token: None,
    }
    .sign(me)
}

/// `N` random bytes.
pub(super) fn random<const N: usize>(rng: &mut (impl CryptoRng + ?Sized)) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
