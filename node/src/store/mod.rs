//! What a node remembers across restarts: one file, written in transactions (redb).
//!
//! - `place`: where the file is, and how it is opened.
//! - `tables`, `row`: what stands where, and its bytes.
//! - `load`: everything, read once at the start.
//! - `change`, `commit`: what there is to write, bounded, and one transaction.
//! - `writer`, `thread`: one thread commits what has come in since the last commit, all at once. When
//!   the disk fails it keeps that, opens the file again, and goes on trying.

mod change;
mod commit;
#[cfg(test)]
pub(crate) mod disk;
mod error;
mod load;
mod place;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod thread;
mod writer;

use std::path::Path;

use redb::Database;

pub(crate) use change::Change;
pub use error::StoreError;
pub(crate) use load::Loaded;
pub(crate) use row::{Entry, Remembered};
pub(crate) use writer::{Trouble, Writer};

use self::place::Place;

/// An open store.
#[derive(Debug)]
pub struct Store {
    database: Database,
    place: Place,
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

    fn at(place: Place) -> Result<Self, StoreError> {
        Ok(Self { database: place.open()?, place })
    }
}
