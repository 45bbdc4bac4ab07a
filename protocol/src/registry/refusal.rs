//! Why a node does not keep what it was sent, and how often that happened.

use std::collections::BTreeMap;

use thiserror::Error;

use super::RegistryError;

/// Why a store keeps nothing of what was put. It is then unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is not believed.
    #[error(transparent)]
    Record(#[from] RegistryError),
    /// A newer record of the same key is there.
    #[error("a newer record is known")]
    Superseded,
    /// As many others as allowed stand under this key.
    #[error("there are too many entries under this key")]
    Crowded,
    /// This peer brought as much as one peer may.
    #[error("this peer brought too many entries")]
    SourceFull,
    /// The store is full of entries nearer to this node.
    #[error("the store is full of nearer entries")]
    Full,
}

/// What refusals are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Over the size limit.
    TooLong,
    /// Not of a record's shape.
    Malformed,
    /// Under a key that it does not belong under.
    WrongKey,
    /// A life longer than allowed.
    Ttl,
    /// Made in the future.
    Future,
    /// Its life is over.
    Expired,
    /// Key and entity id do not go together, or one of them is none.
    Identity,
    /// A signature that does not hold.
    Signature,
    /// Not trusted.
    Untrusted,
    /// Older than what is known.
    Superseded,
    /// Too many under one key.
    Crowded,
    /// Too many from one peer.
    SourceFull,
    /// Too many in all.
    Full,
}

impl Reason {
    /// The reason in a few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Malformed => "malformed",
            Self::WrongKey => "wrong key",
            Self::Ttl => "life too long",
            Self::Future => "from the future",
            Self::Expired => "expired",
            Self::Identity => "bad identity",
            Self::Signature => "bad signature",
            Self::Untrusted => "not trusted",
            Self::Superseded => "superseded",
            Self::Crowded => "key crowded",
            Self::SourceFull => "too many of one peer",
            Self::Full => "store full",
        }
    }
}

impl From<&RegistryError> for Reason {
    fn from(error: &RegistryError) -> Self {
        match error {
            RegistryError::TooLong { .. } => Self::TooLong,
            RegistryError::Cbor(_)
            | RegistryError::Limit { .. }
            | RegistryError::Form { .. }
            | RegistryError::Capability(_) => Self::Malformed,
            RegistryError::Key | RegistryError::WrongKey { .. } => Self::WrongKey,
            RegistryError::Ttl { .. } => Self::Ttl,
            RegistryError::Future { .. } => Self::Future,
            RegistryError::Expired { .. } => Self::Expired,
            RegistryError::Entity(_)
            | RegistryError::PublicKey(_)
            | RegistryError::Signer { .. } => Self::Identity,
            RegistryError::Signature(_) => Self::Signature,
            RegistryError::Trust(_) | RegistryError::Contested { .. } => Self::Untrusted,
            RegistryError::TooManyKeys => Self::Crowded,
        }
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Record(error) => error.into(),
            Refusal::Superseded => Self::Superseded,
            Refusal::Crowded => Self::Crowded,
            Refusal::SourceFull => Self::SourceFull,
            Refusal::Full => Self::Full,
        }
    }
}

/// Refusals counted by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: BTreeMap<Reason, u64>,
}

impl Refusals {
    /// How often something was refused for `reason`.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.counts.get(&reason).copied().unwrap_or_default()
    }

    /// How often anything was refused.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// All reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.counts.iter().map(|(reason, count)| (*reason, *count))
    }

    pub(super) fn count(&mut self, reason: Reason) {
        let count = self.counts.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}
