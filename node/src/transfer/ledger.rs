//! Whoever keeps rows on disk.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use tokio::sync::oneshot;

use super::row::{Key, Row};

/// A row could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it cannot be remembered: {reason}")]
pub(crate) struct NotSaved {
    pub(crate) reason: String,
}

/// Whether a change is on disk.
pub(crate) type Saved = oneshot::Receiver<Result<(), NotSaved>>;

/// Keeps rows. Changes are written in the order in which they are made; nothing here waits.
pub(crate) trait Ledger: Send + Sync + fmt::Debug {
    /// Writes a row in the place of an older one.
    fn save(&self, row: Row) -> Saved;

    /// Forgets a row.
    fn forget(&self, key: Key) -> Saved;
}

/// Waits until a change is on disk.
pub(super) async fn durable(saved: Saved) -> Result<(), NotSaved> {
    saved.await.unwrap_or_else(|_| Err(NotSaved { reason: "the node stops".to_owned() }))
}

/// Keeps rows as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    rows: Mutex<BTreeMap<Key, Row>>,
}

impl Memory {
    /// All rows.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Ledger for Memory {
    fn save(&self, row: Row) -> Saved {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(row.key(), row);
        done()
    }

    fn forget(&self, key: Key) -> Saved {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        done()
    }
}

fn done() -> Saved {
    let (told, saved) = oneshot::channel();
    // The other end is returned.
    let _ = told.send(Ok(()));
    saved
}
