//! What a lookup makes of the answers of many nodes, some of them hostile (`docs/PROTOCOL.md`
//! §11.4). Answers are not votes: one valid record outweighs any number of bad ones, and of the
//! valid ones under the trusted key the newest holds, whoever brought it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Key, Reason, Refusals, RegistryError, SignedRecord, Verified};
use crate::crypto::PublicKey;
use crate::identity::{Fingerprint, TrustError, TrustView};
use crate::limits::MAX_LOOKUP_KEYS;
use crate::time::Timestamp;

/// One lookup: collects answers until the DHT has no more.
#[derive(Debug)]
pub struct Lookup {
    key: Key,
    newest: BTreeMap<PublicKey, Verified>,
    refusals: Refusals,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The newest record under a key that the trust list lets pass.
    Found {
        /// The record.
        record: Box<Verified>,
        /// Fingerprints of other keys that claim the same place; the trust list refuses them.
        rivals: Vec<Fingerprint>,
    },
    /// The entity withdrew, and nothing newer is known.
    Withdrawn {
        /// When, by the entity's clock.
        since: Timestamp,
    },
    /// No answer was a valid record.
    Missing,
}

impl Lookup {
    /// A lookup of `key`.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, newest: BTreeMap::new(), refusals: Refusals::default() }
    }

    /// The key that is looked up.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Takes one answer.
    ///
    /// # Errors
    /// [`RegistryError`] if the answer is not a valid record; it is counted and otherwise ignored.
    /// A valid record that is older than another is no error.
    pub fn feed(&mut self, value: &[u8], now: Timestamp) -> Result<(), RegistryError> {
        let fed = self.try_feed(value, now);
        if let Err(error) = &fed {
            self.refusals.count(Reason::from(error));
        }
        fed
    }

    /// Whether no answer so far was a valid record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// The newest valid record under `public_key`, among the answers so far.
    #[must_use]
    pub fn newest_of(&self, public_key: &PublicKey) -> Option<&Verified> {
        self.newest.get(public_key)
    }

    /// Answers that were dropped, by reason.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What the answers amount to, for a node with this trust list.
    ///
    /// # Errors
    /// [`RegistryError::Trust`] if there are records, but only under keys that the trust list
    /// refuses; where the entity is known under another key, it shows both fingerprints.
    /// [`RegistryError::Contested`] if the entity is not known and two keys claim it: which one came
    /// first says nothing, so that the operator has to decide.
    pub fn finish(self, trust: &dyn TrustView) -> Result<Resolution, RegistryError> {
        let mut found: Option<Verified> = None;
        let mut since = None;
        let mut rivals = Vec::new();
        let mut refused: Option<TrustError> = None;
        for (public_key, record) in self.newest {
            let fingerprint = Fingerprint::of(&public_key);
            if let Err(error) = trust.judge(&record.record().entity, &public_key) {
                rivals.push(fingerprint);
                let mismatch = matches!(error, TrustError::KeyMismatch { .. });
                if mismatch || refused.is_none() {
                    refused = Some(error);
                }
            } else if record.record().is_withdrawal() {
                since = since.max(Some(record.record().last_seen));
            } else if let Some(other) = &found {
                return Err(RegistryError::Contested {
                    entity: record.record().entity.clone(),
                    first: Fingerprint::of(&other.record().public_key),
                    second: fingerprint,
                });
            } else {
                found = Some(record);
            }
        }
        match (found, since, refused) {
            (Some(record), _, _) => Ok(Resolution::Found { record: Box::new(record), rivals }),
            (None, Some(since), _) => Ok(Resolution::Withdrawn { since }),
            (None, None, Some(error)) => Err(error.into()),
            (None, None, None) => Ok(Resolution::Missing),
        }
    }

    fn try_feed(&mut self, value: &[u8], now: Timestamp) -> Result<(), RegistryError> {
        if self.newest.values().any(|known| known.as_bytes() == value) {
            return Ok(());
        }
        let record = SignedRecord::decode(Bytes::copy_from_slice(value))?.verify(&self.key, now)?;
        let public_key = record.record().public_key;
        let known = self.newest.get(&public_key);
        if known.is_none() && self.newest.len() >= MAX_LOOKUP_KEYS {
            return Err(RegistryError::TooManyKeys);
        }
        if known.is_none_or(|known| known.version() < record.version()) {
            self.newest.insert(public_key, record);
        }
        Ok(())
    }
}
