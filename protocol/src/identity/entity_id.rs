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

/// 1–128 bytes of UTF-8 in normal form C without control characters, and nothing that commands could
/// take for an address, a fingerprint or a peer id. Cheap to clone.
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
    /// Looks like another way to name a peer, so that it could be taken for somebody else's.
    #[error("an entity id must not look like {what}")]
    Imitates {
        /// What it looks like.
        what: Imitated,
    },
    /// Has the shape of an id derived from a key, but from another key.
    #[error("the id {entity} is reserved for the key it is derived from; this key's is {derived}")]
    Reserved {
        /// The id in question.
        entity: EntityId,
        /// What this key derives.
        derived: EntityId,
    },
}

/// The other names of peers, which no entity id may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imitated {
    /// Begins with `/`, as multiaddresses do.
    Address,
    /// 64 hex digits, in any spelling of a fingerprint.
    Fingerprint,
    /// Base58 as long as a libp2p peer id, beginning as one does.
    PeerId,
}

impl Imitated {
    /// What `text` looks like, white space around it aside.
    fn by(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('/') {
            Some(Self::Address)
        } else if text.parse::<Fingerprint>().is_ok() {
            Some(Self::Fingerprint)
        } else {
            has_peer_id_shape(text).then_some(Self::PeerId)
        }
    }
}

impl fmt::Display for Imitated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "an address",
            Self::Fingerprint => "a fingerprint",
            Self::PeerId => "a peer id",
        })
    }
}

/// Whether `text` has the length and the beginning of a peer id: `1` (the key itself, `12D3KooW…` for
/// Ed25519) or `Qm` (a hash of the key).
fn has_peer_id_shape(text: &str) -> bool {
    let base58 = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
    (44..=60).contains(&text.len())
        && (text.starts_with('1') || text.starts_with("Qm"))
        && text.bytes().all(base58)
}

impl EntityId {
    const DERIVED_PREFIX: &str = "ent-";

    /// The id that belongs to `key` by default: `ent-` and 16 characters of its fingerprint.
    #[must_use]
    pub fn derived(key: &PublicKey) -> Self {
        Self::of_fingerprint(&Fingerprint::of(key))
    }

    /// The id that a key with this fingerprint has by default (§1.2).
    #[must_use]
    pub fn of_fingerprint(fingerprint: &Fingerprint) -> Self {
        Self(format!("{}{}", Self::DERIVED_PREFIX, fingerprint.short()).into())
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
        if let Some(what) = Imitated::by(text) {
            return Err(EntityIdError::Imitates { what });
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
