//! What a node remembers across restarts: one file, written in transactions (redb).
//!
//! - `place`: where the file is, and how it is opened; `check`: whether it is whole; `database`: the
//!   open file, opened again after it failed;
//!   `watched`: unless nobody knows any more what is on disk.
//! - `tables`, `row`: what stands where, and its bytes; `bytes`: of rows that are written for each message.
//! - `load`: what is read once at the start.
//! - `change`: what is remembered, of which the last of each counts, bounded; `contacts`.
//! - `durable`: what somebody waits for; `delivery`: ordered messages; `transfers`; `mailbox`.
//! - `transaction`: all of that in one transaction.
//! - `writer`, `thread`: one thread commits what has come in since the last commit, all at once, and
//!   reports it. When the disk fails, what somebody waits for is reported as failed; what is only to be
//!   remembered is kept, and tried again.

mod bytes;
mod change;
mod check;
mod commits;
mod contacts;
mod database;
mod delivery;
#[cfg(test)]
pub(crate) mod disk;
mod durable;
mod error;
mod load;
mod mailbox;
mod place;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod thread;
mod transaction;
mod transfers;
mod watched;
mod writer;

use std::path::Path;
use std::sync::Arc;

use peer_protocol::delivery::Write;
use redb::{ReadTransaction, StorageBackend};

pub(crate) use change::Change;
pub(crate) use commits::Commits;
pub use delivery::{
    Arrived, Filter, Found, IncomingRecord, OutboxPlace, OutgoingRecord, Page, Sender, Trace,
    Waiting, Written,
};
pub(crate) use durable::Durable;
pub use error::StoreError;
pub(crate) use load::Loaded;
pub(crate) use row::{Contact, Entry, Remembered};
pub(crate) use transfers::{TransferKey, TransferRows, TransferWrite};
pub(crate) use writer::{Committed, Refused, Submitter, Ticket, Trouble, Writer};

use self::database::Inner;
use self::error::Failed;
use self::place::Place;
use self::transaction::Tables;

/// An open store; clones are the same store. Everything blocks while the disk does.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the store at `path`, or makes an empty one. A file that was not closed properly is
    /// repaired: it then holds what was last committed.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong; the file is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::at(Place::file(path))
    }

    /// A store that forgets everything when it is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if there is no memory for it.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::at(Place::memory())
    }

    /// A store on what `backend` gives each time that it is opened: at once, and again after a failure.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened.
    pub fn on<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::at(Place::backend(backend))
    }

    fn at(place: Place) -> Result<Self, StoreError> {
        Ok(Self { inner: Arc::new(Inner::open(place)?) })
    }

    /// Does `writes` in order, in one transaction: when this returns they are on disk, all but those that
    /// it calls [`Written::Stale`]. Of a sender of whom an arrival is stale, so are all that follow here.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was written, and the next call opens the file again. After
    /// [`StoreError::Unsynced`] some of it may have been, and every call fails.
    pub fn commit(&self, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.transact(|tables| {
            let delivery = tables.delivery()?;
            writes.iter().map(|write| delivery.apply(write)).collect()
        })
    }

    fn transact<T>(
        &self,
        apply: impl FnOnce(&mut Tables<'_>) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.inner.commit(apply)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.inner.read(read)
    }

    fn path(&self) -> &Path {
        self.inner.place.path()
    }
}
