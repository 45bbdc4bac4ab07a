//! The mailbox's rows (`docs/PROTOCOL.md` §18): what a mailbox node keeps, an owner's prekeys, what is
//! owed, and what was put where. What they say is the business of `peer_protocol::mailbox`.

use std::path::Path;

use peer_protocol::mailbox::Change;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};
use zeroize::Zeroizing;

use super::error::Failed;
use super::{Store, StoreError};

/// By the row's own key; its first byte says what it is.
pub(super) const MAILBOX: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("mailbox");

/// A row, with its key.
type Row = (Vec<u8>, Vec<u8>);

pub(super) fn write(transaction: &WriteTransaction, change: &Change) -> Result<(), Failed> {
    let mut table = transaction.open_table(MAILBOX)?;
    match &change.value {
        Some(value) => drop(table.insert(change.key.as_slice(), value.as_slice())?),
        None => drop(table.remove(change.key.as_slice())?),
    }
    Ok(())
}

impl Store {
    /// Does `changes` in order, in one transaction: when this returns they are on disk.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was written.
    pub(crate) fn change_mailbox(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.transact(|tables| changes.iter().try_for_each(|change| tables.mailbox(change)))
    }

    /// Writes all private halves anew, as `reseal` says, in one transaction. What it cannot read goes.
    pub(crate) fn reseal_prekeys(
        &self,
        reseal: impl Fn(&[u8], &[u8]) -> Option<Zeroizing<Vec<u8>>>,
    ) -> Result<(), StoreError> {
        self.transact(|tables| {
            let [from, to] = Change::secrets();
            let mut table = tables.transaction().open_table(MAILBOX)?;
            let mut changed = Vec::new();
            for row in table.range(from.as_slice()..to.as_slice())? {
                let (key, value) = row?;
                changed.push((key.value().to_vec(), reseal(key.value(), value.value())));
            }
            for (key, value) in changed {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
            Ok(())
        })
    }

    /// The file that the store is, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        Some(self.path()).filter(|path| path.is_file())
    }

    /// All rows but the bodies.
    pub(crate) fn mailbox(&self) -> Result<Vec<Row>, StoreError> {
        self.read(rows)
    }

    /// The row with the body of number `number`.
    pub(crate) fn mailbox_body(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let key = Change::body_key(number);
        self.read(|transaction| {
            let table = transaction.open_table(MAILBOX)?;
            Ok(table.get(key.as_slice())?.map(|row| row.value().to_vec()))
        })
    }
}

fn rows(transaction: &ReadTransaction) -> Result<Vec<Row>, Failed> {
    let table = transaction.open_table(MAILBOX)?;
    let mut found = Vec::new();
    // The bodies are by far the most, and stand together: what stands before and behind them is read.
    let bodies = Change::body_key(0);
    let behind = [bodies.first().map_or(0, |tag| tag + 1)];
    for row in table.range(..bodies.as_slice())?.chain(table.range(behind.as_slice()..)?) {
        let (key, value) = row?;
        found.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(found)
}
