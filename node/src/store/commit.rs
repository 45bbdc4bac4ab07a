//! One transaction.

use redb::{Database, WriteTransaction};

use super::change::Change;
use super::error::Failed;
use super::row::encode;
use super::tables::{CAPABILITIES, LAST_SEEN, META, PEERS, PROVIDERS, RECORDS, SALT};

/// Writes all `changes` or none.
pub(super) fn commit<'a>(
    database: &Database,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<(), Failed> {
    let transaction = database.begin_write()?;
    for change in changes {
        apply(&transaction, change)?;
    }
    Ok(transaction.commit()?)
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<(), Failed> {
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
    }
    Ok(())
}

fn bytes<T: serde::Serialize>(row: &T) -> Result<Vec<u8>, Failed> {
    encode(row).map_err(|error| Failed::Encoding(error.to_string()))
}
