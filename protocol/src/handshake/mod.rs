//! Both handshakes (`docs/PROTOCOL.md` §3, §4).
//!
//! Each state is a value named for what it waits for. Handling an envelope is a function of that
//! value, the bytes, the clock and the RNG; it returns the next state or an error, and never changes
//! the one it has. A forged or stray message therefore cannot disturb a handshake.

mod body;
mod error;
mod incoming;
mod machine;
mod negotiation;
pub mod six_step;
mod state;
pub mod three_way;

use std::time::Duration;

use rand_core::CryptoRng;

pub use error::HandshakeError;
pub use machine::{Handshake, Progress};
pub use state::{
    InvalidState, InvalidThreeWayState, Phase, SessionState, Step, ThreeWayState,
    ThreeWayTransition, Transition,
};

pub use crate::session::{HandshakeKind, Role};

use crate::crypto::{HotKeys, PublicKey, SuiteRegistry};
use crate::envelope::{EnvelopeKind, Header};
use crate::id::{Nonce, SessionId};
use crate::identity::{EntityId, Fingerprint, Identity, TrustView};
use crate::limits::{CHALLENGE_LIFETIME, HANDSHAKE_TIMEOUT, MAX_CLOCK_SKEW, SESSION_LIFETIME};
use crate::replay::ReplayGuard;
use crate::time::Now;

/// What an entity brings to every handshake.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who it is.
    pub identity: Identity,
    /// The suites it offers and accepts.
    pub suites: SuiteRegistry,
    /// The features it offers and accepts.
    pub features: Vec<String>,
    /// The life it gives to sessions; of the two sides' wishes the responder's holds.
    pub session_lifetime: Duration,
    /// Time for a whole handshake.
    pub timeout: Duration,
    /// Life of a challenge.
    pub challenge_lifetime: Duration,
    /// How far a peer's clock may be off.
    pub max_skew: Duration,
    /// Where its sessions find tables for the keys of busy peers.
    pub hot_keys: HotKeys,
    /// Whether it answers the three-way handshake.
    pub accept_three_way: bool,
}

impl Config {
    /// The defaults of the specification.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            suites: SuiteRegistry::default(),
            features: Vec::new(),
            session_lifetime: SESSION_LIFETIME,
            timeout: HANDSHAKE_TIMEOUT,
            challenge_lifetime: CHALLENGE_LIFETIME,
            max_skew: MAX_CLOCK_SKEW,
            hot_keys: HotKeys::default(),
            accept_three_way: false,
        }
    }
}

/// Whom a handshake must be with. On a direct connection the key is known: it is the connection's.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The entity, if it was named.
    pub entity: Option<EntityId>,
    /// The key, if the carrier proves one.
    pub key: Option<PublicKey>,
}

impl Expected {
    /// Exactly this key, whatever its entity id.
    #[must_use]
    pub const fn key(key: PublicKey) -> Self {
        Self { entity: None, key: Some(key) }
    }

    /// Whom the first message is addressed to.
    fn recipient(&self) -> Result<EntityId, HandshakeError> {
        match (&self.entity, &self.key) {
            (Some(entity), _) => Ok(entity.clone()),
            (None, Some(key)) => Ok(EntityId::derived(key)),
            (None, None) => Err(HandshakeError::Parameter { what: "nobody to address it to" }),
        }
    }

    fn check(&self, entity: &EntityId, key: &PublicKey) -> Result<(), HandshakeError> {
        if let Some(expected) = self.key
            && expected != *key
        {
            return Err(HandshakeError::KeyMismatch {
                expected: Fingerprint::of(&expected),
                offered: Fingerprint::of(key),
            });
        }
        match &self.entity {
            // An entity that was asked for by the id its key derives may answer with its name.
            Some(expected) if expected != entity && *expected != EntityId::derived(key) => {
                Err(HandshakeError::Address { expected: expected.clone(), found: entity.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Everything from outside that a step needs.
pub struct Context<'a> {
    /// This entity.
    pub config: &'a Config,
    /// Whom it trusts.
    pub trust: &'a dyn TrustView,
    /// Nonces seen from this peer.
    pub replay: &'a mut ReplayGuard,
    /// Randomness.
    pub rng: &'a mut dyn CryptoRng,
    /// The clocks.
    pub now: Now,
}

impl Context<'_> {
    fn header(
        &mut self,
        kind: EnvelopeKind,
        recipient: EntityId,
        session: Option<SessionId>,
        sequence: u64,
    ) -> Header {
        Header {
            kind,
            sender: self.config.identity.entity().clone(),
            recipient,
            session,
            sequence,
            timestamp: self.now.timestamp,
            nonce: Nonce::random(self.rng),
        }
    }
}

#[cfg(test)]
mod tests;
