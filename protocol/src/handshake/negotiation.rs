//! What one side offers and the other chooses.

use super::body::Offer;
use super::{Config, HandshakeError};
use crate::crypto::{EphemeralKey, Suite};
use crate::envelope::VERSION;
use crate::limits::{MAX_LIST_LEN, MAX_NAME_LEN};

/// What the responder chose.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) suite: &'static dyn Suite,
    pub(super) features: Vec<String>,
}

impl Offer {
    /// What this entity offers.
    pub(super) fn new(config: &Config, ephemeral: &EphemeralKey) -> Self {
        Self {
            features: config.features.clone(),
            versions: vec![VERSION.to_owned()],
            public_key: *config.identity.public_key().as_bytes(),
            cipher_suites: config.suites.names().map(str::to_owned).collect(),
            ephemeral_key: *ephemeral.public(),
        }
    }

    /// The responder's choice: its version, the initiator's preferred suite among its own, and the
    /// features that both have.
    pub(super) fn choose(&self, config: &Config) -> Result<Choice, HandshakeError> {
        for list in [&self.versions, &self.cipher_suites, &self.features] {
            if list.len() > MAX_LIST_LEN || list.iter().any(|name| name.len() > MAX_NAME_LEN) {
                return Err(HandshakeError::Parameter { what: "an offer that is too long" });
            }
        }
        if !self.versions.iter().any(|version| version == VERSION) {
            return Err(HandshakeError::NoCommon { what: "version" });
        }
        let offered = self.cipher_suites.iter().map(String::as_str);
        let suite =
            config.suites.choose(offered).ok_or(HandshakeError::NoCommon { what: "suite" })?;
        let features =
            self.features.iter().filter(|name| config.features.contains(name)).cloned().collect();
        Ok(Choice { suite, features })
    }

    /// What the responder says it chose, if this side offered all of it.
    pub(super) fn accept(
        &self,
        config: &Config,
        version: &str,
        suite: &str,
        features: Vec<String>,
    ) -> Result<Choice, HandshakeError> {
        if !self.versions.iter().any(|offered| offered == version) {
            return Err(HandshakeError::NotOffered { what: "version" });
        }
        let suite = Some(suite)
            .filter(|suite| self.cipher_suites.iter().any(|offered| offered == suite))
            .and_then(|suite| config.suites.get(suite))
            .ok_or(HandshakeError::NotOffered { what: "suite" })?;
        if !features.iter().all(|feature| self.features.contains(feature)) {
            return Err(HandshakeError::NotOffered { what: "feature" });
        }
        Ok(Choice { suite, features })
    }
}
