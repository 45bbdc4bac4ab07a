//! Reading everything, once, at the start.

use peer_protocol::time::Timestamp;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition};

use super::change::ROW_OVERHEAD;
use super::contacts::CONTACTS;
use super::error::Failed;
use super::row::decode;
use super::tables::{CAPABILITIES, LAST_SEEN, META, PEERS, PROVIDERS, RECORDS, SALT};
use super::{Contact, Entry, Remembered, Store, StoreError};

/// Most bytes of rows that are read: more than twice what the registry's stores hold.
const MAX_LOADED: usize = 64 << 20;

/// What stands under a key of the registry.
type Row = ([u8; 32], Vec<Entry>);

/// Everything that was remembered. What the registry holds is verified again by whoever takes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) salt: Option<[u8; 32]>,
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) records: Vec<Row>,
    pub(crate) providers: Vec<Row>,
    pub(crate) peers: Vec<Remembered>,
    pub(crate) contacts: Vec<([u8; 32], Contact)>,
    /// Rows that could not be read: those of the registry are there without entries.
    pub(crate) broken: usize,
    /// Whether there were more rows than are read at once.
    pub(crate) cut: bool,
}

impl Store {
    /// Reads everything, as far as it fits into memory.
    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        self.load_up_to(MAX_LOADED)
    }

    pub(super) fn load_up_to(&self, most: usize) -> Result<Loaded, StoreError> {
        self.read(|transaction| load(transaction, most))
    }
}

fn load(transaction: &ReadTransaction, most: usize) -> Result<Loaded, Failed> {
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
    let mut room = Room(most);
    for row in transaction.open_table(PEERS)?.iter()? {
        let (_, value) = row?;
        if !room.take(value.value()) {
            loaded.cut = true;
            break;
        }
        match decode(value.value()) {
            Ok(peer) => loaded.peers.push(peer),
            Err(_) => loaded.broken += 1,
        }
    }
    for row in transaction.open_table(CONTACTS)?.iter()? {
        let (key, value) = row?;
        if !room.take(value.value()) {
            loaded.cut = true;
            break;
        }
        match decode(value.value()) {
            Ok(contact) => loaded.contacts.push((*key.value(), contact)),
            Err(_) => loaded.broken += 1,
        }
    }
    loaded.records = rows(transaction, RECORDS, &mut room, &mut loaded)?;
    loaded.providers = rows(transaction, PROVIDERS, &mut room, &mut loaded)?;
    Ok(loaded)
}

/// Bytes that may still be read.
struct Room(usize);

impl Room {
    /// Whether a row fits in.
    fn take(&mut self, value: &[u8]) -> bool {
        let left = self.0.checked_sub(ROW_OVERHEAD + value.len());
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

fn rows(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, &'static [u8; 32], &'static [u8]>,
    room: &mut Room,
    loaded: &mut Loaded,
) -> Result<Vec<Row>, Failed> {
    let mut found = Vec::new();
    for row in transaction.open_table(table)?.iter()? {
        let (key, value) = row?;
        if !room.take(value.value()) {
            loaded.cut = true;
            break;
        }
        let entries = decode(value.value()).unwrap_or_else(|_| {
            loaded.broken += 1;
            Vec::new()
        });
        found.push((*key.value(), entries));
    }
    Ok(found)
}
