//! One transaction: changes of what is remembered, and what writers wait for.
//!
//! A concern with tables of its own adds a file with their definitions, `create`, and what each of its
//! writes does; a variant of [`Durable`]; and a line in each function here.

use peer_protocol::mailbox;
use redb::WriteTransaction;

use super::change::Change;
use super::contacts;
use super::delivery::{Delivery, Mark, Written};
use super::durable::Durable;
use super::error::Failed;
use super::row::encode;
use super::tables::{CAPABILITIES, LAST_SEEN, META, PEERS, PROVIDERS, RECORDS, SALT};
use super::transfers;

/// The tables of one transaction; those that are written often are opened once.
pub(super) struct Tables<'txn> {
    transaction: &'txn WriteTransaction,
    delivery: Option<Delivery<'txn>>,
}

impl<'txn> Tables<'txn> {
    pub(super) const fn new(transaction: &'txn WriteTransaction) -> Self {
        Self { transaction, delivery: None }
    }

    pub(super) fn durable(&mut self, durable: &Durable) -> Result<Written, Failed> {
        match durable {
            Durable::Delivery(write) => self.delivery()?.apply(write),
            Durable::Transfer(write) => {
                transfers::write(self.transaction, write)?;
                Ok(Written::Done)
            }
            Durable::Content(write, row) => {
                let written = self.delivery()?.apply(write)?;
                if matches!(written, Written::Stored(_)) {
                    transfers::write(self.transaction, row)?;
                }
                Ok(written)
            }
            Durable::Mail(write, changes, row) => {
                let written = self.delivery()?.apply(write)?;
                if written != Written::Stale {
                    changes.iter().try_for_each(|change| self.mailbox(change))?;
                }
                if let (Written::Stored(_), Some(row)) = (&written, row) {
                    transfers::write(self.transaction, row)?;
                }
                Ok(written)
            }
        }
    }

    pub(super) fn delivery(&mut self) -> Result<&mut Delivery<'txn>, Failed> {
        match &mut self.delivery {
            Some(delivery) => Ok(delivery),
            none => Ok(none.insert(Delivery::open(self.transaction)?)),
        }
    }

    pub(super) const fn transaction(&self) -> &'txn WriteTransaction {
        self.transaction
    }

    pub(super) fn mailbox(&mut self, change: &mailbox::Change) -> Result<(), Failed> {
        super::mailbox::write(self.transaction, change)
    }

    /// Writes what was kept for the end.
    pub(super) fn finish(self) -> Result<Mark, Failed> {
        match self.delivery {
            Some(delivery) => delivery.finish(),
            None => Ok(Mark::default()),
        }
    }

    pub(super) fn change(&mut self, change: &Change) -> Result<(), Failed> {
        let transaction = self.transaction;
        let meta = |name: &str, value: &[u8]| -> Result<(), Failed> {
            transaction.open_table(META)?.insert(name, value)?;
            Ok(())
        };
        match change {
            Change::Salt(salt) => meta(SALT, salt)?,
            Change::LastSeen(at) => meta(LAST_SEEN, &at.as_millis().to_be_bytes())?,
            Change::Capabilities(names) => meta(CAPABILITIES, &bytes(names)?)?,
            Change::Records(key, entries) => {
                let mut table = transaction.open_table(RECORDS)?;
                if entries.is_empty() {
                    table.remove(key)?;
                } else {
                    table.insert(key, bytes(entries)?.as_slice())?;
                }
            }
            Change::Providers(key, entries) => {
                let mut table = transaction.open_table(PROVIDERS)?;
                if entries.is_empty() {
                    table.remove(key)?;
                } else {
                    table.insert(key, bytes(entries)?.as_slice())?;
                }
            }
            Change::Peers(peers) => {
                let mut table = transaction.open_table(PEERS)?;
                table.retain(|_, _| false)?;
                for (number, peer) in (0..).zip(peers) {
                    table.insert(number, bytes(peer)?.as_slice())?;
                }
            }
            Change::Contact(key, contact) => contacts::write(transaction, key, contact)?,
        }
        Ok(())
    }
}

pub(super) fn bytes<T: serde::Serialize>(row: &T) -> Result<Vec<u8>, Failed> {
    encode(row).map_err(|error| Failed::Encoding(error.to_string()))
}

#[cfg(test)]
impl Tables<'_> {
    pub(super) fn set_version(&mut self, version: &[u8]) -> Result<(), Failed> {
        self.transaction.open_table(META)?.insert(super::tables::SCHEMA, version)?;
        Ok(())
    }

    /// Writes a row that makes no sense.
    pub(super) fn break_records(&mut self, key: &[u8; 32]) -> Result<(), Failed> {
        self.transaction.open_table(RECORDS)?.insert(key, [0xff, 0xff].as_slice())?;
        Ok(())
    }
}
