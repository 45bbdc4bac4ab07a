//! Whether a record is believed (`docs/PROTOCOL.md` §11.4). Whether its key is the right one for
//! the entity is for the trust list to say, when the record is resolved.

use bytes::Bytes;

use super::{Key, Record, RegistryError, SignedRecord};
use crate::time::Timestamp;

/// A record that belongs under its key, was alive when it was checked, and is signed by the public
/// key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    key: Key,
    record: Record,
    bytes: Bytes,
}

impl SignedRecord {
    /// Everything that is checked before the signature, which costs most.
    ///
    /// # Errors
    /// [`RegistryError`] says what is wrong.
    pub(super) fn check(&self, key: &Key, now: Timestamp) -> Result<(), RegistryError> {
        let record = self.record();
        if !record.stands_under(key) {
            return Err(RegistryError::WrongKey { entity: record.entity.clone() });
        }
        record.entity.check_key(&record.public_key)?;
        record.check_fresh(now)
    }

    /// Checks the record that was found under `key`: that it belongs there, that an entity id of
    /// derived shape is that of its public key, that it is fresh, and that its signature holds.
    ///
    /// # Errors
    /// [`RegistryError`] says what is wrong.
    pub fn verify(self, key: &Key, now: Timestamp) -> Result<Verified, RegistryError> {
        self.check(key, now)?;
        self.check_signature()?;
        let (record, bytes) = self.into_parts();
        Ok(Verified { key: *key, record, bytes })
    }
}

impl Verified {
    /// The key that it was found under.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// What it says.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The exact bytes that travelled.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The record alone.
    #[must_use]
    pub fn into_record(self) -> Record {
        self.record
    }
}
