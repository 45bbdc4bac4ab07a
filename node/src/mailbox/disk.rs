//! Where the mailbox's rows are.

use std::path::PathBuf;

use peer_protocol::mailbox::Change;

use super::vault::Vault;
use crate::store::{Store, StoreError};

/// All rows but the bodies, with their keys.
pub(crate) type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Rows by key. Everything here may wait for the disk.
pub(crate) trait Disk: Send {
    /// All rows but the bodies.
    fn rows(&self) -> Result<Rows, StoreError>;

    /// The body of number `number`.
    fn body(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Does `changes` in order, all or none.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// Private halves were deleted: nothing that is left of them on disk can be read from now on.
    fn wipe(&mut self) -> Result<(), StoreError>;
}

/// Rows in the store, the secret ones encrypted under a key beside it.
pub(crate) struct StoredRows {
    store: Store,
    vault: Vault,
    path: PathBuf,
}

impl StoredRows {
    /// The rows in `store`.
    ///
    /// # Errors
    /// [`StoreError`] if the file with the key can neither be read nor made.
    pub(crate) fn open(store: Store) -> Result<Self, StoreError> {
        let file = store.file().map(|path| path.with_extension("prekeys"));
        let path = file.clone().unwrap_or_default();
        let vault = Vault::open(file.as_deref()).map_err(|it| StoreError::unusable(&path, &it))?;
        Ok(Self { store, vault, path })
    }
}

#[cfg(test)]
impl StoredRows {
    pub(super) fn store_for_tests(&self) -> Store {
        self.store.clone()
    }
}

impl Disk for StoredRows {
    fn rows(&self) -> Result<Rows, StoreError> {
        let mut rows = self.store.mailbox()?;
        rows.retain_mut(|(key, value)| {
            if !Change::is_secret(key) {
                return true;
            }
            let opened = self.vault.open_row(key, value);
            if opened.is_none() {
                tracing::warn!("a prekey cannot be read: what was sealed to it is lost");
            }
            *value = opened.as_ref().map(|value| value.to_vec()).unwrap_or_default();
            opened.is_some()
        });
        Ok(rows)
    }

    fn body(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.mailbox_body(number)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let sealed: Vec<_> = changes.iter().map(|change| self.vault.seal(change)).collect();
        self.store.change_mailbox(&sealed)
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| StoreError::unusable(&self.path, &error);
        self.vault.renew().map_err(failed)?;
        // In one transaction, so that nothing comes back that is deleted meanwhile.
        self.store.reseal_prekeys(|key, value| self.vault.reseal(key, value))?;
        let failed = |error: std::io::Error| StoreError::unusable(&self.path, &error);
        self.vault.forget_old().map_err(failed)
    }
}
