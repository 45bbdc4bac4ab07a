//! What the behaviour is built with.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use libp2p_core::PeerId;
use peer_protocol::identity::{EntityId, Identity};
use peer_protocol::legacy::Unsigned;
use peer_protocol::message::ErrorReport;
use peer_protocol::rate_limit::{LimitHits, RateProfile};

use super::courier::{Courier, Terms};
use crate::secure::GateConfig;

/// Whether the node takes a message, asked before the message is acknowledged.
pub trait Admission: Send + Sync {
    /// Takes the message in, or says why not. With a time to try again the sender may do so. Its recipient
    /// is this entity, or one of [`Config::others`].
    ///
    /// # Errors
    /// What the sender is told.
    fn admit(&self, message: &Unsigned) -> Result<(), ErrorReport>;
}

/// Takes every message.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&self, _: &Unsigned) -> Result<(), ErrorReport> {
        Ok(())
    }
}

/// Configuration of the behaviour.
#[derive(Clone)]
pub struct Config {
    /// Who this entity is.
    pub identity: Identity,
    /// Rates for peers that are not pinned.
    pub rate: RateProfile,
    /// Rates for pinned peers.
    pub trusted_rate: RateProfile,
    /// Rates for started handshakes beyond single peers.
    pub gate: GateConfig,
    /// Whether every version 1.0 message, in either direction, is refused with
    /// `ENCRYPTION_REQUIRED`.
    pub require_encryption: bool,
    /// Whether what comes in is taken.
    pub admission: Arc<dyn Admission>,
    /// Other entities whose messages are taken, as [`EventKind::ForOther`](super::EventKind::ForOther), to be
    /// passed on.
    pub others: BTreeSet<EntityId>,
    /// What the operator has said of single peers. Their links are never forgotten.
    pub terms: HashMap<PeerId, Terms>,
    /// Carries messages to the peers that are not on libp2p.
    pub courier: Option<Arc<dyn Courier>>,
    /// Where all links count what was over a rate.
    pub limit_hits: Arc<LimitHits>,
}

impl Config {
    /// The defaults: rates of §10, everything taken, encryption not demanded.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            rate: RateProfile::default(),
            trusted_rate: RateProfile::trusted(),
            gate: GateConfig::default(),
            require_encryption: false,
            admission: Arc::new(AdmitAll),
            others: BTreeSet::new(),
            terms: HashMap::new(),
            courier: None,
            limit_hits: Arc::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("identity", &self.identity)
            .field("require_encryption", &self.require_encryption)
            .finish_non_exhaustive()
    }
}
