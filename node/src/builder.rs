//! Putting a node together, with defaults for everything.

use std::sync::Arc;

use peer_behaviours::{Clock, SystemClock};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::{EntityId, EntityIdError};

use crate::config::NodeConfig;
use crate::error::StartError;
use crate::node::Node;
use crate::store::Store;
use crate::trust_file::TrustFile;

/// Builds a node. Without a key it makes a new one; without a trust list or a store it starts with
/// empty ones in memory.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    config: NodeConfig,
    key: Option<Ed25519Authenticator>,
    trust: Option<TrustFile>,
    store: Option<Store>,
    clock: Option<Arc<dyn Clock>>,
}

impl NodeBuilder {
    /// The name that peers know this entity by; derived from the key by default.
    ///
    /// # Errors
    /// [`EntityIdError`] says why the text is no entity id.
    pub fn entity(mut self, name: &str) -> Result<Self, EntityIdError> {
        let entity: EntityId = name.parse()?;
        self.config = self.config.with_entity(entity);
        Ok(self)
    }

    /// Everything that can be configured.
    #[must_use]
    pub fn config(mut self, config: NodeConfig) -> Self {
        self.config = config;
        self
    }

    /// The entity's key.
    #[must_use]
    pub fn key(mut self, key: Ed25519Authenticator) -> Self {
        self.key = Some(key);
        self
    }

    /// Whom to trust, and where that is kept.
    #[must_use]
    pub fn trust(mut self, trust: TrustFile) -> Self {
        self.trust = Some(trust);
        self
    }

    /// What it remembers of the network, and where that is kept.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// The clock; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Starts the node on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(self) -> Result<Node, StartError> {
        let key = self.key.unwrap_or_else(|| Ed25519Authenticator::generate(&mut rand::rng()));
        let policy = self.config.trust_policy();
        let trust = self.trust.unwrap_or_else(|| TrustFile::in_memory(policy));
        let store = self.store.map_or_else(Store::in_memory, Ok)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        Node::start_at(self.config, key, trust, store, clock).await
    }
}
