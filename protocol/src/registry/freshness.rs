//! How long a record lives, and which of two is newer (`docs/PROTOCOL.md` §11.4).

use std::cmp::Ordering;

use super::{Record, RegistryError, SignedRecord, Verified};
use crate::limits::{MAX_CLOCK_SKEW, RECORD_TTL};
use crate::time::Timestamp;

impl Record {
    /// When the record's life is over: `ttl` after `last_seen`. A withdrawal lives as long as any
    /// record that it could withdraw: [`RECORD_TTL`].
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.last_seen + if self.is_withdrawal() { RECORD_TTL } else { self.ttl }
    }

    /// Checks that the record is not from the future, by more than [`MAX_CLOCK_SKEW`], and that its
    /// life is not over.
    ///
    /// # Errors
    /// [`RegistryError::Future`] and [`RegistryError::Expired`].
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), RegistryError> {
        if self.last_seen > now + MAX_CLOCK_SKEW {
            return Err(RegistryError::Future { ahead: self.last_seen.distance(now) });
        }
        let deadline = self.deadline();
        if deadline <= now {
            return Err(RegistryError::Expired { ago: now.distance(deadline) });
        }
        Ok(())
    }
}

/// A version of one entity's record under one public key. The greater holds: the later `last_seen`,
/// and of two with the same the one whose bytes come **first** in bytewise order. `ttl` leads a
/// record's bytes, so that a withdrawal wins such a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version<'a> {
    last_seen: Timestamp,
    bytes: &'a [u8],
}

impl<'a> Version<'a> {
    pub(super) const fn new(last_seen: Timestamp, bytes: &'a [u8]) -> Self {
        Self { last_seen, bytes }
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.last_seen.cmp(&other.last_seen).then_with(|| other.bytes.cmp(self.bytes))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SignedRecord {
    pub(super) fn version(&self) -> Version<'_> {
        Version::new(self.record().last_seen, self.as_bytes())
    }
}

impl Verified {
    pub(super) fn version(&self) -> Version<'_> {
        Version::new(self.record().last_seen, self.as_bytes())
    }
}
