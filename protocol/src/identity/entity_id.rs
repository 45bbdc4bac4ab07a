//! Entity ids: names that operators choose.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_normalization::is_nfc;

use super::Fingerprint;
use crate::crypto::PublicKey;
use crate::limits::MAX_ENTITY_ID_LEN;

/// 1–128 bytes of UTF-8 in normal form C without control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntityId(Arc<str>);

/// Why a text is no entity id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntityIdError {
    /// Empty, or over the limit.
    #[error("an entity id has 1 to {MAX_ENTITY_ID_LEN} bytes; this one has {len}")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// A control character, which could disguise the id on a terminal.
    #[error("an entity id has no control characters")]
    Control,
    /// Not in Unicode normal form C, so that two ids could look the same.
    #[error("an entity id is in Unicode normal form C")]
    NotNormalized,
    /// Has the shape of an id derived from a key, but from another key.
    #[error("the id {entity} is reserved for the key it is derived from; this key's is {derived}")]
    Reserved {
        /// The id in question.
        entity: EntityId,
        /// What this key derives.
        derived: EntityId,
    },
}

impl EntityId {
    const DERIVED_PREFIX: &str = "ent-";

    /// The id that belongs to `key` by default: `ent-` and 16 characters of its fingerprint.
    #[must_use]
    pub fn derived(key: &PublicKey) -> Self {
        Self(format!("{}{}", Self::DERIVED_PREFIX, Fingerprint::of(key).short()).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that an id of the derived shape is the one that `key` derives.
    ///
    /// # Errors
    /// [`EntityIdError::Reserved`] if it belongs to another key.
    pub fn check_key(&self, key: &PublicKey) -> Result<(), EntityIdError> {
        let derived = Self::derived(key);
        if self.has_derived_shape() && *self != derived {
            Err(EntityIdError::Reserved { entity: self.clone(), derived })
        } else {
            Ok(())
        }
    }

    /// Whether the id has the shape of one derived from a key.
    #[must_use]
    pub fn has_derived_shape(&self) -> bool {
        self.0.strip_prefix(Self::DERIVED_PREFIX).is_some_and(|rest| {
            rest.len() == 16 && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
        })
    }
}

impl FromStr for EntityId {
    type Err = EntityIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX_ENTITY_ID_LEN {
            return Err(EntityIdError::Length { len: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(EntityIdError::Control);
        }
        if !is_nfc(text) {
            return Err(EntityIdError::NotNormalized);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for EntityId {
    type Error = EntityIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EntityId> for String {
    fn from(id: EntityId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
