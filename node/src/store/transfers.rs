//! Transfers: one row each. What is in a row is the business of whoever writes it.

use redb::{ReadableTable as _, TableDefinition, TableError, WriteTransaction};

use super::error::Failed;
use super::{Store, StoreError};

/// Direction, the other side's key, the transfer's id.
pub(crate) type TransferKey = [u8; 49];

/// By [`TransferKey`].
pub(super) const TRANSFERS: TableDefinition<'_, &TransferKey, &[u8]> =
    TableDefinition::new("transfers");

/// Most bytes of rows that are read at the start.
const MAX_LOADED: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };

/// Rows that were read.
#[derive(Debug, Default)]
pub(crate) struct TransferRows {
    pub(crate) rows: Vec<Vec<u8>>,
    /// Whether there are more, for which there was no room.
    pub(crate) truncated: bool,
}

/// A row to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransferWrite {
    pub(crate) key: TransferKey,
    /// None forgets it.
    pub(crate) row: Option<Vec<u8>>,
}

pub(super) fn write(transaction: &WriteTransaction, write: &TransferWrite) -> Result<(), Failed> {
    let mut table = transaction.open_table(TRANSFERS)?;
    match &write.row {
        Some(row) => table.insert(&write.key, row.as_slice())?,
        None => table.remove(&write.key)?,
    };
    Ok(())
}

impl Store {
    /// All rows of transfers, as far as they fit into memory.
    pub(crate) fn transfers(&self) -> Result<TransferRows, StoreError> {
        self.read(|transaction| {
            let table = match transaction.open_table(TRANSFERS) {
                Ok(table) => table,
                // A store that knew none.
                Err(TableError::TableDoesNotExist(_)) => return Ok(TransferRows::default()),
                Err(error) => return Err(error.into()),
            };
            let (mut rows, mut truncated, mut len) = (Vec::new(), false, 0);
            for row in table.iter()? {
                let (_, row) = row?;
                len += row.value().len();
                if len > MAX_LOADED {
                    truncated = true;
                    break;
                }
                rows.push(row.value().to_vec());
            }
            Ok(TransferRows { rows, truncated })
        })
    }

    /// The row of a transfer.
    pub(crate) fn transfer(&self, key: &TransferKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|transaction| {
            let table = match transaction.open_table(TRANSFERS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            Ok(table.get(key)?.map(|row| row.value().to_vec()))
        })
    }
}
