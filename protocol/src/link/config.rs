//! What all links of a node share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::PublicKey;
use crate::delivery::HeldRoom;
use crate::handshake::{Config, HandshakeKind};
use crate::message::{ErrorReport, Message};
use crate::rate_limit::{LimitHits, RateProfile};

/// Whether the node takes a message, asked before the message is acknowledged.
pub trait Admission: Send + Sync {
    /// Takes a message of the holder of `from` in, or says why not. After [`ErrorCode::RateLimited`] with a time the sender
    /// tries again then; after anything else it gives the message up.
    ///
    /// # Errors
    /// What the sender is told.
    ///
    /// [`ErrorCode::RateLimited`]: crate::error::ErrorCode::RateLimited
    fn admit(&self, from: &PublicKey, message: &Message) -> Result<(), ErrorReport>;
}

/// Takes every message.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&self, _: &PublicKey, _: &Message) -> Result<(), ErrorReport> {
        Ok(())
    }
}

/// Configuration of links.
#[derive(Clone)]
pub struct LinkConfig {
    /// What this entity brings to handshakes.
    pub handshake: Config,
    /// The handshake it begins with; if a peer does not answer the three-way one, the six-step one.
    pub preferred: HandshakeKind,
    /// Rates for peers that are not pinned.
    pub rate: RateProfile,
    /// Rates for pinned peers.
    pub trusted_rate: RateProfile,
    /// How long an answer is held back for a result that may ride in it.
    pub answer_hold: Duration,
    /// How long a message that went out in an answer may stay unacknowledged before it is sent again.
    pub answer_timeout: Duration,
    /// How long an acknowledgement waits for something to ride with.
    pub receipt_delay: Duration,
    /// After this long without any answer the connection counts as dead.
    pub unresponsive_after: Duration,
    /// Whether what comes in is taken.
    pub admission: Arc<dyn Admission>,
    /// Where all links hold messages that wait for a predecessor.
    pub held: HeldRoom,
    /// Where all links count what was over a rate.
    pub limit_hits: Arc<LimitHits>,
}

impl LinkConfig {
    /// The defaults.
    #[must_use]
    pub fn new(handshake: Config) -> Self {
        Self {
            handshake,
            preferred: HandshakeKind::SixStep,
            rate: RateProfile::default(),
            trusted_rate: RateProfile::trusted(),
            answer_hold: Duration::from_millis(100),
            answer_timeout: Duration::from_secs(2),
            receipt_delay: Duration::from_millis(200),
            unresponsive_after: Duration::from_secs(2),
            admission: Arc::new(AdmitAll),
            held: HeldRoom::default(),
            limit_hits: Arc::default(),
        }
    }
}

impl fmt::Debug for LinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkConfig")
            .field("handshake", &self.handshake)
            .field("preferred", &self.preferred)
            .finish_non_exhaustive()
    }
}
