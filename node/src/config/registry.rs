//! What a node says of itself in the registry, and its part in it (`docs/PROTOCOL.md` §11).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use peer_protocol::limits::MAX_RECORD_CAPABILITIES;
use peer_protocol::registry::Capability;

use super::{InvalidSetting, NodeConfig};

/// A node's part in the distributed hash table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DhtMode {
    /// Server while others can reach the node, else client.
    #[default]
    Auto,
    /// Keeps and serves records for others, whatever the node knows of its reachability.
    Server,
    /// Looks up and publishes only.
    Client,
    /// Takes no part.
    Off,
}

impl FromStr for DhtMode {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "server" => Ok(Self::Server),
            "client" => Ok(Self::Client),
            "off" => Ok(Self::Off),
            _ => Err(InvalidSetting::Word {
                given: text.to_owned(),
                known: &["auto", "server", "client", "off"],
            }),
        }
    }
}

impl NodeConfig {
    /// What the entity can do, as its record says; at most [`MAX_RECORD_CAPABILITIES`], none twice.
    #[must_use]
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// The node's part in the distributed hash table.
    #[must_use]
    pub const fn dht(&self) -> DhtMode {
        self.dht
    }

    /// A file of records to fall back on where there is no distributed hash table.
    #[must_use]
    pub fn registry_file(&self) -> Option<&Path> {
        self.registry_file.as_deref()
    }

    /// Sets what the entity can do. One named twice counts once.
    ///
    /// # Errors
    /// [`InvalidSetting::TooMany`] if they do not fit one record.
    pub fn with_capabilities(
        mut self,
        mut capabilities: Vec<Capability>,
    ) -> Result<Self, InvalidSetting> {
        capabilities.sort_unstable();
        capabilities.dedup();
        let (given, most) = (capabilities.len(), MAX_RECORD_CAPABILITIES);
        if given > most {
            return Err(InvalidSetting::TooMany { given, most });
        }
        self.capabilities = capabilities;
        Ok(self)
    }

    /// Sets the node's part in the distributed hash table.
    #[must_use]
    pub const fn with_dht(mut self, mode: DhtMode) -> Self {
        self.dht = mode;
        self
    }

    /// Sets the file of records to fall back on.
    #[must_use]
    pub fn with_registry_file(mut self, path: PathBuf) -> Self {
        self.registry_file = Some(path);
        self
    }
}
