//! A session: what a finished handshake yields, and nothing else can (`docs/PROTOCOL.md` §5).

mod agreed;
mod receive;
mod send;
mod window;

use std::fmt;
use std::time::Duration;

use thiserror::Error;

pub(crate) use agreed::Agreed;
pub use agreed::{HandshakeKind, PeerIdentity, Role};
pub use receive::{Opened, Unverified};
pub use send::Sealed;
pub use window::WindowError;

use self::receive::Receiver;
use self::send::Sender;
use crate::crypto::{SuiteId, Verifier};
use crate::id::SessionId;
use crate::identity::EntityId;
use crate::message::BatchError;
use crate::replay::ReplayError;
use crate::time::Instant;

/// Why a session did not seal or open a record. A failed check changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The session's life is over.
    #[error("the session has expired")]
    Expired,
    /// The key has sealed as many records or bytes as it may.
    #[error("the session's key is used up; a new session must be opened")]
    KeyExhausted,
    /// The record's number was used before, or is too old to tell.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The record does not open under the session's key.
    #[error("the record does not open under the session's key")]
    Decryption,
    /// The record is a replay, or from a skewed clock.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The record opens, but the sender's identity key did not sign it.
    #[error("the record's signature does not hold")]
    Signature,
    /// The record names another sender or recipient than the session's.
    #[error("the record names {found} where the session has {expected}")]
    Address {
        /// What it says.
        found: EntityId,
        /// What the session says.
        expected: EntityId,
    },
    /// The plaintext is no batch of messages.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// An encrypted channel between two identities. It outlives the connections it travels over.
pub struct Session {
    id: SessionId,
    role: Role,
    handshake: HandshakeKind,
    suite: SuiteId,
    features: Vec<String>,
    peer: PeerIdentity,
    established: Instant,
    expires: Instant,
    handshake_took: Duration,
    send: Sender,
    receive: Receiver,
}

impl Session {
    pub(crate) fn new(agreed: Agreed, now: Instant) -> Self {
        let Agreed { keys, suite, .. } = agreed;
        let (own, theirs) = match agreed.role {
            Role::Initiator => (keys.initiator, keys.responder),
            Role::Responder => (keys.responder, keys.initiator),
        };
        let verifier = Verifier::new(agreed.peer.key, agreed.hot_keys);
        Self {
            id: agreed.id,
            role: agreed.role,
            handshake: agreed.handshake,
            suite: suite.id(),
            features: agreed.features,
            established: now,
            expires: now + agreed.lifetime,
            handshake_took: now.since(agreed.started),
            send: Sender::new(suite, &own.traffic),
            receive: Receiver::new(suite, &theirs.traffic, agreed.max_skew, verifier),
            peer: agreed.peer,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Which side this entity was in the handshake.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Which handshake opened it.
    #[must_use]
    pub const fn handshake(&self) -> HandshakeKind {
        self.handshake
    }

    /// The name of its cipher suite.
    #[must_use]
    pub const fn suite(&self) -> SuiteId {
        self.suite
    }

    /// The features that both sides agreed on.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The other entity.
    #[must_use]
    pub const fn peer(&self) -> &PeerIdentity {
        &self.peer
    }

    /// When it became ready.
    #[must_use]
    pub const fn established(&self) -> Instant {
        self.established
    }

    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> Instant {
        self.expires
    }

    /// How long its handshake took.
    #[must_use]
    pub const fn handshake_took(&self) -> Duration {
        self.handshake_took
    }

    /// Whether its life is over.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires
    }

    /// Whether it can still seal.
    #[must_use]
    pub fn can_send(&self, now: Instant) -> bool {
        !self.is_expired(now) && !self.send.is_exhausted()
    }

    /// When a new session should be opened in its place: at 80 % of its life for the initiator, at
    /// 90 % for the responder, so that normally only one of them starts.
    #[must_use]
    pub fn renew_at(&self) -> Instant {
        let life = self.expires.since(self.established);
        self.expires
            - match self.role {
                Role::Initiator => life / 5,
                Role::Responder => life / 10,
            }
    }

    /// Whether a new session should be opened now: its time has come, or its key is half used up.
    #[must_use]
    pub fn wants_renewal(&self, now: Instant) -> bool {
        now >= self.renew_at() || self.send.is_half_exhausted()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("suite", &self.suite)
            .field("peer", &self.peer.entity)
            .finish_non_exhaustive()
    }
}

/// The nonce of record `sequence`: IV XOR the number, right-aligned, big-endian.
fn record_nonce(iv: &[u8; crate::crypto::IV_LEN], sequence: u64) -> [u8; crate::crypto::IV_LEN] {
    let mut nonce = *iv;
    for (byte, number) in nonce.iter_mut().rev().zip(sequence.to_be_bytes().into_iter().rev()) {
        *byte ^= number;
    }
    nonce
}

#[cfg(test)]
mod tests;
