//! Checks that every incoming step shares, cheapest first; the nonce is remembered last.

use std::time::Duration;

use serde::Deserialize;

use super::{Context, Expected, HandshakeError};
use crate::cbor;
use crate::crypto::{Digest, PublicKey, Transcript};
use crate::envelope::Envelope;
use crate::id::SessionId;
use crate::identity::EntityId;
use crate::limits::{MAX_SESSION_LIFETIME, MIN_SESSION_LIFETIME};
use crate::time::Instant;

/// What an incoming step must be.
pub(super) struct Incoming<'a> {
    /// The envelope's sequence number.
    pub(super) sequence: u64,
    /// The sender, once it is known.
    pub(super) sender: Option<&'a EntityId>,
    /// The session, once it is known; `Some(None)` where there must be none yet.
    pub(super) session: Option<Option<SessionId>>,
    /// When the handshake began.
    pub(super) started: Instant,
}

impl Incoming<'_> {
    /// Checks everything about the envelope but its signature, and decodes its body.
    pub(super) fn read<'e, T: Deserialize<'e>>(
        &self,
        envelope: &'e Envelope,
        cx: &Context<'_>,
    ) -> Result<T, HandshakeError> {
        if cx.now.instant.since(self.started) > cx.config.timeout {
            return Err(HandshakeError::TimedOut);
        }
        let header = envelope.header();
        if header.sequence != self.sequence {
            let (found, expected) = (header.sequence, self.sequence);
            return Err(HandshakeError::Sequence { found, expected });
        }
        if !cx.config.identity.answers_to(&header.recipient) {
            return Err(HandshakeError::Address {
                found: header.recipient.clone(),
                expected: cx.config.identity.entity().clone(),
            });
        }
        if let Some(sender) = self.sender
            && header.sender != *sender
        {
            return Err(HandshakeError::Address {
                found: header.sender.clone(),
                expected: sender.clone(),
            });
        }
        if let Some(session) = self.session
            && header.session != session
        {
            return Err(HandshakeError::Session { found: header.session });
        }
        cx.replay.check(header.timestamp, &header.nonce, cx.now.timestamp)?;
        Ok(cbor::decode(envelope.payload())?)
    }
}

/// Checks that the peer saw the history that this side saw.
pub(super) fn same_history(claimed: &Digest, own: &Transcript) -> Result<(), HandshakeError> {
    if *claimed == own.hash() { Ok(()) } else { Err(HandshakeError::Transcript) }
}

/// Parses the identity key of a peer that introduces itself.
pub(super) fn peer_key(
    bytes: &[u8; 32],
    expected: &Expected,
    cx: &Context<'_>,
) -> Result<PublicKey, HandshakeError> {
    // The expected key was parsed before; parsing costs a square root.
    let key = match expected.key {
        Some(key) if key.as_bytes() == bytes => key,
        _ => PublicKey::from_bytes(bytes)?,
    };
    if key == *cx.config.identity.public_key() {
        return Err(HandshakeError::OwnKey);
    }
    Ok(key)
}

/// The lifetime that a responder gives to a session, if it is within bounds.
pub(super) fn session_lifetime(millis: u64) -> Result<Duration, HandshakeError> {
    let lifetime = Duration::from_millis(millis);
    if (MIN_SESSION_LIFETIME..=MAX_SESSION_LIFETIME).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(HandshakeError::Parameter { what: "a session lifetime out of bounds" })
    }
}

/// Remembers the nonce of an envelope that passed every check.
pub(super) fn remember(envelope: &Envelope, cx: &mut Context<'_>) {
    let header = envelope.header();
    cx.replay.remember(header.timestamp, header.nonce, cx.now.timestamp);
}
