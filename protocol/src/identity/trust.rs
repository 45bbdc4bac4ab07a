//! Whom to trust (`docs/PROTOCOL.md` §1.4): decided here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{EntityId, EntityIdError, Fingerprint};
use crate::crypto::PublicKey;
use crate::limits::MAX_SEEN_ENTITIES;
use crate::time::Timestamp;

/// How an entity came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustLevel {
    /// The operator compared the fingerprint.
    Pinned,
    /// Trusted on first use.
    Seen,
    /// The operator withdrew trust from this key, whatever name it comes under.
    Revoked,
}

/// Whom a node talks to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustPolicy {
    /// Strangers are trusted on first use.
    #[default]
    Open,
    /// Only entities that the operator pinned.
    PinnedOnly,
}

/// One known entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntry {
    /// Fingerprint of its key.
    pub fingerprint: Fingerprint,
    /// How it came to be known.
    pub level: TrustLevel,
    /// When it was first recorded.
    pub first_seen: Timestamp,
    /// When it last completed a handshake.
    pub last_seen: Timestamp,
}

/// What admitting an entity changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It was known already, at this level.
    Known(TrustLevel),
    /// It is now recorded as seen.
    Recorded,
    /// It may pass, but the list of seen entities is full, so its key is not remembered.
    Unrecorded,
}

/// Why an entity is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustError {
    /// The entity is known under another key.
    #[error(
        "{entity} is known with fingerprint {known}, but this peer shows {offered}; \
         if the key really changed, compare the fingerprints and pin the new one"
    )]
    KeyMismatch {
        /// The entity.
        entity: EntityId,
        /// What is on record.
        known: Fingerprint,
        /// What the peer shows.
        offered: Fingerprint,
    },
    /// The operator revoked this key.
    #[error("the key {fingerprint} of {entity} is revoked")]
    Revoked {
        /// The entity.
        entity: EntityId,
        /// The revoked key.
        fingerprint: Fingerprint,
    },
    /// Only pinned entities may pass.
    #[error(
        "{entity} is not pinned, and only pinned entities may pass; its fingerprint is {fingerprint}"
    )]
    NotPinned {
        /// The entity.
        entity: EntityId,
        /// Its key.
        fingerprint: Fingerprint,
    },
    /// The id belongs to another key by its shape.
    #[error(transparent)]
    Id(#[from] EntityIdError),
}

/// What handshakes ask about trust. A node's shared store implements it.
pub trait TrustView: Send + Sync {
    /// Whether `entity` under `key` may pass; records nothing.
    ///
    /// # Errors
    /// [`TrustError`] says why not.
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError>;

    /// Judges again and records, once the peer has proved that it holds `key`.
    ///
    /// # Errors
    /// [`TrustError`] says why it is refused.
    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError>;

    /// The level of `entity` under `key`; `None` if it is not on record, or with another key.
    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel>;
}

/// Known entities and revoked keys. Plain data: the node keeps it on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustStore {
    #[serde(default)]
    policy: TrustPolicy,
    #[serde(default)]
    entities: BTreeMap<EntityId, TrustEntry>,
    #[serde(default)]
    revoked: BTreeSet<Fingerprint>,
}

impl TrustStore {
    /// An empty store under `policy`.
    #[must_use]
    pub fn new(policy: TrustPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Replaces the policy.
    pub const fn set_policy(&mut self, policy: TrustPolicy) {
        self.policy = policy;
    }

    /// Whether `entity` under `key` may pass; records nothing.
    ///
    /// # Errors
    /// [`TrustError`] says why not.
    pub fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        entity.check_key(key)?;
        let offered = Fingerprint::of(key);
        if self.revoked.contains(&offered) {
            return Err(TrustError::Revoked { entity: entity.clone(), fingerprint: offered });
        }
        let known = self.entities.get(entity);
        if let Some(known) = known
            && known.fingerprint != offered
        {
            return Err(TrustError::KeyMismatch {
                entity: entity.clone(),
                known: known.fingerprint,
                offered,
            });
        }
        let pinned = known.is_some_and(|known| known.level == TrustLevel::Pinned);
        if self.policy == TrustPolicy::PinnedOnly && !pinned {
            return Err(TrustError::NotPinned { entity: entity.clone(), fingerprint: offered });
        }
        Ok(())
    }

    /// Judges again, then records the entity as seen now.
    ///
    /// # Errors
    /// [`TrustError`] says why it is refused; the store is then unchanged.
    pub fn admit(
        &mut self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.judge(entity, key)?;
        if let Some(known) = self.entities.get_mut(entity) {
            known.last_seen = now;
            return Ok(Admission::Known(known.level));
        }
        // A full list takes no more strangers. Evicting would let free identities wash out the
        // memory of real ones.
        if self.entities.len() >= MAX_SEEN_ENTITIES {
            return Ok(Admission::Unrecorded);
        }
        self.record(entity.clone(), Fingerprint::of(key), TrustLevel::Seen, now);
        Ok(Admission::Recorded)
    }

    /// Pins `entity` to a key, replacing whatever was on record: the operator has compared.
    pub fn pin(&mut self, entity: EntityId, fingerprint: Fingerprint, now: Timestamp) {
        self.revoked.remove(&fingerprint);
        self.record(entity, fingerprint, TrustLevel::Pinned, now);
    }

    /// Revokes a key under every name it has or may come to have. Returns the names it had.
    pub fn revoke(&mut self, fingerprint: Fingerprint) -> Vec<EntityId> {
        self.revoked.insert(fingerprint);
        self.entities
            .iter_mut()
            .filter(|(_, entry)| entry.fingerprint == fingerprint)
            .map(|(entity, entry)| {
                entry.level = TrustLevel::Revoked;
                entity.clone()
            })
            .collect()
    }

    /// The record of `entity`.
    #[must_use]
    pub fn get(&self, entity: &EntityId) -> Option<&TrustEntry> {
        self.entities.get(entity)
    }

    /// The level of `entity` under `key`; `None` if it is not on record, or with another key.
    #[must_use]
    pub fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        let known = self.get(entity).filter(|known| known.fingerprint == Fingerprint::of(key))?;
        Some(known.level)
    }

    /// All records, by entity id.
    pub fn iter(&self) -> impl Iterator<Item = (&EntityId, &TrustEntry)> {
        self.entities.iter()
    }

    fn record(
        &mut self,
        entity: EntityId,
        fingerprint: Fingerprint,
        level: TrustLevel,
        now: Timestamp,
    ) {
        let first_seen = self
            .entities
            .get(&entity)
            .filter(|known| known.fingerprint == fingerprint)
            .map_or(now, |known| known.first_seen);
        let entry = TrustEntry { fingerprint, level, first_seen, last_seen: now };
        self.entities.insert(entity, entry);
    }
}
