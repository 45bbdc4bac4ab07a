//! What a node remembers across restarts: one file, written in transactions (redb).
//!
//! - `tables`, `row`: what stands where, and its bytes.
//! - `load`: everything, read once at the start.
//! - `writer`: one thread that commits what has come in since the last commit, all at once.

mod error;
mod load;
mod row;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase as _};

pub use error::StoreError;
pub(crate) use load::Loaded;
pub(crate) use row::{Entry, Remembered};
pub(crate) use writer::{Change, Writer};

use self::error::Failed;
use self::tables::{META, SCHEMA, SCHEMA_VERSION};

/// Bytes of the file that are kept in memory.
const CACHE_LEN: usize = 8 << 20;

/// An open store.
#[derive(Debug)]
pub struct Store {
    database: Database,
    /// Where it is; none for one in memory.
    path: Option<PathBuf>,
}

impl Store {
    /// Opens the store at `path`, or makes an empty one. A file that was not closed properly is
    /// repaired: it then holds what was last committed.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong; the file is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| StoreError::unusable(path, &error))?;
        let opened = Builder::new().set_cache_size(CACHE_LEN).create_file(file);
        let database = opened.map_err(|error| StoreError::opening(path, error))?;
        let store = Self { database, path: Some(path.to_owned()) };
        store.check_schema().map_err(|failed| failed.at(path))?;
        Ok(store)
    }

    /// A store that forgets everything when it is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if there is no memory for it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let memory = Path::new(":memory:");
        let opened =
            Builder::new().set_cache_size(CACHE_LEN).create_with_backend(InMemoryBackend::new());
        let database = opened.map_err(|error| StoreError::opening(memory, error))?;
        let store = Self { database, path: None };
        store.check_schema().map_err(|failed| failed.at(memory))?;
        Ok(store)
    }

    /// Writes the version of the tables into a new file, and refuses files of another one.
    fn check_schema(&self) -> Result<(), Failed> {
        let found = match self.database.begin_read()?.open_table(META) {
            Ok(meta) => meta.get(SCHEMA)?.map(|version| version.value().to_vec()),
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        match found {
            Some(version) if version == SCHEMA_VERSION => Ok(()),
            Some(version) => Err(Failed::Schema(String::from_utf8_lossy(&version).into_owned())),
            None => {
                let transaction = self.database.begin_write()?;
                tables::create(&transaction)?;
                transaction.open_table(META)?.insert(SCHEMA, SCHEMA_VERSION)?;
                Ok(transaction.commit()?)
            }
        }
    }

    /// Where it is, for messages.
    fn path(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| PathBuf::from(":memory:"))
    }
}
