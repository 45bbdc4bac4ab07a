//! Where the mailbox's rows are.

use peer_protocol::mailbox::Change;

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
}

impl Disk for Store {
    fn rows(&self) -> Result<Rows, StoreError> {
        self.mailbox()
    }

    fn body(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.mailbox_body(number)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.change_mailbox(changes)
    }
}
