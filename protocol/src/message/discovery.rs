//! `discovery` and `discovery_response`: whom does the peer know?

use serde::{Deserialize, Serialize};

use super::BodyError;
use super::capability::check_names;
use crate::identity::EntityId;
use crate::limits::{MAX_NAME_LEN, MAX_TEXT_LEN};

/// Asks for entities: by id, by capability, or all if neither is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// The entity in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<EntityId>,
    /// The capability in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}

impl Discovery {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        let capability = self.capability.as_ref().map_or(0, String::len);
        BodyError::bytes("capability", capability, MAX_NAME_LEN)
    }
}

/// One entity that a peer knows. Hearsay: the entity proves itself in its own handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundEntity {
    /// Multiaddresses as text.
    pub addresses: Vec<String>,
    /// The entity's id.
    pub entity_id: EntityId,
    /// Its Ed25519 public key.
    #[serde(with = "serde_bytes")]
    pub public_key: [u8; 32],
    /// What it can do.
    pub capabilities: Vec<String>,
}

/// The entities that a peer knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryResponse {
    /// Those found.
    pub entities: Vec<FoundEntity>,
}

impl DiscoveryResponse {
    pub(super) fn check(&self) -> Result<(), BodyError> {
        BodyError::entries("entities", self.entities.len())?;
        self.entities.iter().try_for_each(|entity| {
            BodyError::entries("addresses", entity.addresses.len())?;
            entity.addresses.iter().try_for_each(|address| {
                BodyError::bytes("addresses", address.len(), MAX_TEXT_LEN)
            })?;
            check_names("capabilities", &entity.capabilities)
        })
    }
}
