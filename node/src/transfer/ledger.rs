//! Whoever keeps rows on disk.

use std::fmt;

use cbor4ii::serde::{from_slice, to_vec};
use thiserror::Error;
use tokio::sync::oneshot;

use super::row::{Key, Row};
use crate::model::TransferDirection;
use crate::store::{
    Durable, Store, StoreError, Submitter, TransferKey, TransferRows, TransferWrite,
};

/// A row could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it cannot be remembered: {reason}")]
pub(crate) struct NotSaved {
    reason: String,
}

/// Whether a change is on disk.
pub(crate) type Saved = oneshot::Receiver<Result<(), StoreError>>;

/// Keeps rows. Changes are written in the order in which they are made; nothing here waits.
pub(crate) trait Ledger: Send + Sync + fmt::Debug {
    /// Writes a row in the place of an older one.
    fn save(&self, row: &Row) -> Result<Saved, NotSaved>;

    /// Forgets a row.
    fn forget(&self, key: Key) -> Result<Saved, NotSaved>;
}

/// Waits until a change is on disk.
pub(super) async fn durable(saved: Result<Saved, NotSaved>) -> Result<(), NotSaved> {
    match saved?.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(NotSaved { reason: error.to_string() }),
        Err(_) => Err(NotSaved { reason: "the node stops".to_owned() }),
    }
}

/// Keeps rows in the node's store.
#[derive(Debug)]
pub(crate) struct InStore(pub(crate) Submitter);

/// What was remembered.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Row>,
    /// Rows that cannot be read.
    pub(crate) broken: usize,
    /// Whether there are more than fit into memory.
    pub(crate) truncated: bool,
}

impl Loaded {
    /// Whether nothing is remembered beyond [`Loaded::rows`].
    pub(crate) const fn is_all(&self) -> bool {
        self.broken == 0 && !self.truncated
    }
}

impl InStore {
    /// All rows that can be read.
    pub(crate) fn load(store: &Store) -> Result<Loaded, StoreError> {
        let TransferRows { rows: bytes, truncated } = store.transfers()?;
        let rows: Vec<Row> = bytes.iter().filter_map(|bytes| from_slice(bytes).ok()).collect();
        Ok(Loaded { broken: bytes.len() - rows.len(), rows, truncated })
    }

    /// Whether the disk says that a content was claimed.
    pub(crate) fn is_claimed(store: &Store, key: &Key) -> Result<bool, StoreError> {
        let row = store.transfer(&place(key))?.and_then(|bytes| from_slice(&bytes).ok());
        Ok(matches!(row, Some(Row::Incoming(row)) if row.claimed))
    }

    fn write(&self, write: TransferWrite) -> Result<Saved, NotSaved> {
        let submitted = self.0.submit_alone(vec![Durable::Transfer(write)]);
        submitted.map_err(|error| NotSaved { reason: error.to_string() })
    }
}

impl Ledger for InStore {
    fn save(&self, row: &Row) -> Result<Saved, NotSaved> {
        self.write(write_of(row)?)
    }

    fn forget(&self, key: Key) -> Result<Saved, NotSaved> {
        self.write(TransferWrite { key: place(&key), row: None })
    }
}

/// What puts a row into the store.
pub(super) fn write_of(row: &Row) -> Result<TransferWrite, NotSaved> {
    let bytes = to_vec(Vec::new(), row);
    let bytes = bytes.map_err(|error| NotSaved { reason: error.to_string() })?;
    Ok(TransferWrite { key: place(&row.key()), row: Some(bytes) })
}

/// A key's bytes.
fn place(key: &Key) -> TransferKey {
    let mut bytes = [0; 49];
    let direction = match key.direction {
        TransferDirection::Outgoing => 0,
        TransferDirection::Incoming => 1,
    };
    let parts = [direction].into_iter().chain(key.peer).chain(*key.id.as_bytes());
    for (byte, part) in bytes.iter_mut().zip(parts) {
        *byte = part;
    }
    bytes
}
