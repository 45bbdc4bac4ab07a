//! Where records stand (`docs/PROTOCOL.md` §11.1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use thiserror::Error;
use unicode_normalization::is_nfc;

use super::{RegistryError, Shard};
use crate::crypto::{Digest, Sha256, sha256};
use crate::identity::EntityId;
use crate::limits::MAX_NAME_LEN;

/// The name of something that an entity can do: 1–64 bytes of UTF-8 in normal form C without
/// control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(Arc<str>);

/// Why a text names no capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CapabilityError {
    /// Empty, or over the limit. The empty name stands for the entity itself.
    #[error("a capability's name has 1 to {MAX_NAME_LEN} bytes; this one has {len}")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// A control character, which could disguise the name on a terminal.
    #[error("a capability's name has no control characters")]
    Control,
    /// Not in Unicode normal form C, so that one name could have two keys.
    #[error("a capability's name is in Unicode normal form C")]
    NotNormalized,
}

impl Capability {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Lower-case hex of SHA-256 of the name.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&sha256(self.0.as_bytes()))
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.is_empty() || name.len() > MAX_NAME_LEN {
            return Err(CapabilityError::Length { len: name.len() });
        }
        if name.chars().any(char::is_control) {
            return Err(CapabilityError::Control);
        }
        if !is_nfc(name) {
            return Err(CapabilityError::NotNormalized);
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// A key of the DHT: 32 bytes.
///
/// Record keys and provider keys are of one form but of two spaces: the record of an entity that is
/// named `capability` has the key of a provider shard, and the two never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Digest);

impl Key {
    /// The key of an entity's own record: SHA-256(entity id ‖ `":"` ‖ hash of the empty name).
    #[must_use]
    pub fn of_entity(entity: &EntityId) -> Self {
        Self::of_name(entity, "")
    }

    /// The key of an entity's record for one capability:
    /// SHA-256(entity id ‖ `":"` ‖ capability hash).
    #[must_use]
    pub fn of_capability(entity: &EntityId, capability: &Capability) -> Self {
        Self::of_name(entity, capability.as_str())
    }

    /// The key of provider entries of one shard: SHA-256(`"capability:"` ‖ capability hash), and
    /// below the first shard `":"` and the shard's digits follow.
    #[must_use]
    pub fn of_providers(capability: &Capability, shard: &Shard) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"capability:");
        hash.update(capability.hash().as_bytes());
        if !shard.digits().is_empty() {
            hash.update(b":");
            hash.update(shard.digits().as_bytes());
        }
        Self(hash.finish())
    }

    /// Where a record of an entity stands besides this key, its entity's own or that of the derived
    /// id: SHA-256(`"mirror:"` ‖ key ‖ digit), the digits being `1` and `2`. Whoever surrounds one
    /// place with ids of his own has to do the same at two others.
    pub fn mirrors(&self) -> impl Iterator<Item = Self> + use<> {
        let key = self.0;
        (b'1'..=b'2').map(move |digit| {
            let mut hash = Sha256::new();
            hash.update(b"mirror:");
            hash.update(&key);
            hash.update(&[digit]);
            Self(hash.finish())
        })
    }

    /// The key of these bytes.
    ///
    /// # Errors
    /// [`RegistryError::Key`] if they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RegistryError> {
        bytes.try_into().map(Self).map_err(|_| RegistryError::Key)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Where the key lies in Kademlia's space.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::of(&self.0)
    }

    fn of_name(entity: &EntityId, capability: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(entity.as_str().as_bytes());
        hash.update(b":");
        hash.update(HEXLOWER.encode(&sha256(capability.as_bytes())).as_bytes());
        Self(hash.finish())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", HEXLOWER.encode(&self.0))
    }
}

/// A point of Kademlia's space: SHA-256 of a key's bytes, or of a `PeerId`'s bytes. libp2p hashes
/// both once more before it compares, so that distances between raw keys mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Digest);

impl Place {
    /// The place of a key or of a `PeerId`, given its bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// XOR distance; orders as a big-endian number.
    #[must_use]
    pub fn distance(&self, other: &Self) -> [u8; 32] {
        let mut distance = self.0;
        for (byte, other) in distance.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        distance
    }
}
