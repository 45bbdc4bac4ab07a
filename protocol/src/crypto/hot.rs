//! Which keys have a table: the few that sign most, of all that a node verifies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LinkedHashMap;

use super::{BadSignature, KeyTable, PublicKey, Signature};
use crate::time::Instant;

/// Keys that have a table at once, unless said otherwise: 5 MiB in all, with the one of the base point.
const MOST: usize = 16;
/// A key gets its table after so many signatures that held, so that it pays for itself.
const WORTH_IT: u32 = 128;
/// A table that was not used for so long gives way to another.
const UNUSED: Duration = Duration::from_secs(10);

/// With the time of their last use; the one used least recently first.
type Tables = LinkedHashMap<PublicKey, (Arc<KeyTable>, Instant)>;

/// The tables that all sessions of a node share; clones are the same tables.
#[derive(Debug, Clone)]
pub struct HotKeys {
    most: usize,
    tables: Arc<Mutex<Tables>>,
}

impl Default for HotKeys {
    fn default() -> Self {
        Self::at_most(MOST)
    }
}

impl HotKeys {
    /// Tables for at most so many keys, of [`KeyTable::LEN`] bytes each. With none, no key gets one.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { most, tables: Arc::default() }
    }

    /// How many keys have a table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables().len()
    }

    /// Whether no key has a table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables().is_empty()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of `key`, which is used now.
    fn get(&self, key: &PublicKey, now: Instant) -> Option<Arc<KeyTable>> {
        let mut tables = self.tables();
        let (table, used) = tables.to_back(key)?;
        *used = now;
        Some(Arc::clone(table))
    }

    /// Makes a table for `key`, if there is room or another key has no use for its own.
    fn make(&self, key: &PublicKey, now: Instant) {
        if self.has_room(&mut self.tables(), now) {
            // Not while others wait for the lock.
            let table = Arc::new(KeyTable::new(key));
            let mut tables = self.tables();
            if self.has_room(&mut tables, now) {
                tables.insert(*key, (table, now));
            }
        }
    }

    fn has_room(&self, tables: &mut Tables, now: Instant) -> bool {
        let unused =
            |(_, (_, used)): (&PublicKey, &(Arc<KeyTable>, Instant))| now.since(*used) >= UNUSED;
        if tables.len() >= self.most && tables.front().is_some_and(unused) {
            tables.pop_front();
        }
        tables.len() < self.most
    }
}

/// Verifies what one key signs, faster if it signs much.
#[derive(Debug)]
pub(crate) struct Verifier {
    key: PublicKey,
    hot: HotKeys,
    /// Signatures that held since there was last a table, or an attempt to get one.
    held: u32,
}

impl Verifier {
    pub(crate) const fn new(key: PublicKey, hot: HotKeys) -> Self {
        Self { key, hot, held: 0 }
    }

    /// As [`PublicKey::verify`].
    pub(crate) fn verify(
        &mut self,
        message: &[u8],
        signature: &Signature,
        now: Instant,
    ) -> Result<(), BadSignature> {
        if let Some(table) = self.hot.get(&self.key, now) {
            self.held = 0;
            return table.verify(message, signature);
        }
        self.key.verify(message, signature)?;
        self.held += 1;
        if self.held >= WORTH_IT {
            self.held = 0;
            self.hot.make(&self.key, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Authenticator as _, Ed25519Authenticator};

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    /// A key with its verifier, and a signature of it.
    struct Signer {
        verifier: Verifier,
        signature: Signature,
    }

    impl Signer {
        fn new(seed: u8, hot: &HotKeys) -> Self {
            let key = Ed25519Authenticator::from_seed(&[seed; 32]);
            let verifier = Verifier::new(key.public_key(), hot.clone());
            Self { verifier, signature: key.sign(b"text") }
        }

        fn signs(&mut self, times: u32, now: Instant) -> bool {
            for _ in 0..times {
                assert_eq!(self.verifier.verify(b"text", &self.signature, now), Ok(()));
                let forged = self.verifier.verify(b"other", &self.signature, now);
                assert_eq!(forged, Err(BadSignature));
            }
            self.verifier.hot.tables().contains_key(&self.verifier.key)
        }
    }

    #[test]
    fn a_key_gets_a_table_once_it_is_worth_it_and_forgeries_count_for_nothing() {
        let hot = HotKeys::default();
        let mut signer = Signer::new(1, &hot);
        assert!(!signer.signs(WORTH_IT - 1, at(0)));
        for _ in 0..WORTH_IT {
            assert!(signer.verifier.verify(b"forged", &signer.signature, at(0)).is_err());
        }
        assert!(hot.is_empty());
        assert!(signer.signs(1, at(0)));
        assert!(signer.signs(3, at(0)));
        assert_eq!((hot.len(), hot.is_empty()), (1, false));
    }

    #[test]
    fn tables_are_bounded_and_only_one_that_is_not_used_gives_way() {
        let hot = HotKeys::at_most(2);
        let [mut one, mut two, mut three] = [1, 2, 3].map(|seed| Signer::new(seed, &hot));
        assert!(one.signs(WORTH_IT, at(0)) && two.signs(WORTH_IT, at(5)));
        assert!(!three.signs(WORTH_IT, at(9)), "both are in use");
        assert!(!three.signs(WORTH_IT - 1, at(10)), "it does not ask each time");
        assert!(three.signs(1, at(10)));
        assert!(!one.signs(1, at(10)) && two.signs(1, at(10)));
        assert_eq!(hot.len(), 2);
    }

    #[test]
    fn without_room_for_any_there_is_none() {
        let hot = HotKeys::at_most(0);
        assert!(!Signer::new(1, &hot).signs(2 * WORTH_IT, at(0)));
        assert!(hot.is_empty());
    }
}
