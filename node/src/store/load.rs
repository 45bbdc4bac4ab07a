//! Reading everything, once, at the start.

use peer_protocol::limits::{MAX_STORED_PROVIDERS, MAX_STORED_RECORDS};
use peer_protocol::time::Timestamp;
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::de::DeserializeOwned;

use super::error::Failed;
use super::row::decode;
use super::tables::{CAPABILITIES, LAST_SEEN, META, PEERS, PROVIDERS, RECORDS, SALT};
use super::{Entry, Remembered, Store, StoreError};

/// Everything that was remembered. What the registry holds is verified again by whoever takes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) salt: Option<[u8; 32]>,
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) records: Vec<([u8; 32], Vec<Entry>)>,
    pub(crate) providers: Vec<([u8; 32], Vec<Entry>)>,
    pub(crate) peers: Vec<Remembered>,
    /// Rows that could not be read, and were left out.
    pub(crate) broken: usize,
}

impl Store {
    /// Reads everything.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        self.try_load().map_err(|failed| failed.at(self.place.path()))
    }

    fn try_load(&self) -> Result<Loaded, Failed> {
        let transaction = self.database.begin_read()?;
        let meta = transaction.open_table(META)?;
        let bytes = |name| -> Result<Option<Vec<u8>>, Failed> {
            Ok(meta.get(name)?.map(|value| value.value().to_vec()))
        };
        let mut loaded = Loaded {
            salt: bytes(SALT)?.and_then(|bytes| bytes.try_into().ok()),
            last_seen: bytes(LAST_SEEN)?
                .and_then(|bytes| bytes.try_into().ok())
                .map(|bytes| Timestamp::from_millis(u64::from_be_bytes(bytes))),
            capabilities: match bytes(CAPABILITIES)? {
                Some(bytes) => decode(&bytes).unwrap_or_default(),
                None => Vec::new(),
            },
            ..Loaded::default()
        };
        loaded.records = rows(&transaction, RECORDS, MAX_STORED_RECORDS, &mut loaded.broken)?;
        loaded.providers = rows(&transaction, PROVIDERS, MAX_STORED_PROVIDERS, &mut loaded.broken)?;
        for row in transaction.open_table(PEERS)?.iter()? {
            match decode(row?.1.value()) {
                Ok(peer) => loaded.peers.push(peer),
                Err(_) => loaded.broken += 1,
            }
        }
        Ok(loaded)
    }
}

fn rows<T: DeserializeOwned>(
    transaction: &redb::ReadTransaction,
    table: TableDefinition<'_, &'static [u8; 32], &'static [u8]>,
    most: usize,
    broken: &mut usize,
) -> Result<Vec<([u8; 32], T)>, Failed> {
    let mut found = Vec::new();
    for row in transaction.open_table(table)?.iter()?.take(most) {
        let (key, value) = row?;
        match decode(value.value()) {
            Ok(value) => found.push((*key.value(), value)),
            Err(_) => *broken += 1,
        }
    }
    Ok(found)
}
