//! Files of the store in which any row may stand, as a damaged disk or a later version would leave them.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use peer_node::fuzzing::read_all;
use peer_node::store::{Filter, Store};
use redb::{Database, StorageBackend, TableDefinition};

use crate::people::identity;

/// Most rows of one file.
const MOST_ROWS: usize = 32;
/// Most records of a page.
const PAGE: usize = 8;

/// Tables by the kind of their keys.
const BY_KEY: [&str; 6] =
    ["records", "providers", "out_streams", "in_positions", "peer_ages", "out_asked"];
const BY_NUMBERED: [&str; 4] = ["out_bodies", "out_messages", "in_taken", "in_owed"];
const BY_NUMBER: [&str; 4] = ["in_bodies", "in_messages", "settled", "trail"];

/// Rows, each as a byte for its table, one for its key, one for its length, and its value. Opening and
/// reading such a file ends in an error or not, in bounded memory; it panics nowhere, and reading changes
/// nothing of what it holds.
pub fn store(data: &[u8]) {
    let disk = Disk::new(template());
    if write_rows(&disk, data).is_none() {
        return;
    }
    let before = disk;
    let Ok(store) = Store::on(move || before.clone()) else { return };
    let read = read_all(&store);
    let again = read_all(&store);
    assert_eq!(read.as_ref().ok(), again.as_ref().ok(), "read twice, not the same");
    look(&store);
}

/// Everything that a node asks its store.
fn look(store: &Store) {
    let (own, other) = (*identity(0).public_key(), *identity(1).public_key());
    let _ = (store.saved(), store.senders(), store.owed_peers(), store.commits(), store.head());
    for peer in [own, other] {
        let _ = (store.resume(&peer), store.window(&peer, 0, u64::MAX));
        if let Ok(oldest) = store.oldest(&peer, PAGE, 1 << 10) {
            assert!(oldest.len() <= PAGE);
        }
    }
    let outgoing = Filter { peer: None, settled: true, after: None, most: PAGE };
    if let Ok(page) = store.outgoing(&outgoing) {
        assert!(page.items.len() <= PAGE && page.total >= page.items.len() as u64);
    }
    let incoming = Filter { peer: Some(own), settled: true, after: None, most: PAGE };
    if let Ok(page) = store.incoming(&incoming) {
        assert!(page.items.len() <= PAGE && page.total >= page.items.len() as u64);
    }
    if let Ok(found) = store.find(&[0; 16], &[0xff; 16], PAGE) {
        assert!(found.len() <= PAGE);
        for message in found {
            let _ = store.trace(message);
        }
    }
    for number in 0..4 {
        let _ = (store.numbered(number), store.incoming_message(number));
        let _ = store.outgoing_message(&own, number);
    }
}

/// Writes the rows past all checks; none if there is none to write.
fn write_rows(disk: &Disk, mut data: &[u8]) -> Option<()> {
    let database = Database::builder().create_with_backend(disk.clone()).ok()?;
    let transaction = database.begin_write().ok()?;
    for _ in 0..MOST_ROWS {
        let Some(([table, key, len], rest)) = data.split_first_chunk::<3>() else { break };
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        data = rest;
        write_row(&transaction, *table, *key, value).ok()?;
    }
    transaction.commit().ok()
}

fn write_row(
    transaction: &redb::WriteTransaction,
    table: u8,
    key: u8,
    value: &[u8],
) -> Result<(), redb::Error> {
    let which = usize::from(table / 8);
    let peer = identity(usize::from(key % 2)).public_key().as_bytes().to_owned();
    let number = u64::from(key / 2 % 4);
    let mut numbered = [0; 40];
    numbered[..32].copy_from_slice(&peer);
    numbered[32..].copy_from_slice(&number.to_be_bytes());
    match table % 8 {
        0 => {
            let names = ["schema", "registry_salt", "last_seen", "capabilities"];
            let meta = TableDefinition::<&str, &[u8]>::new("meta");
            transaction.open_table(meta)?.insert(names[which % names.len()], value)?;
        }
        1 if BY_KEY[which % 6] == "peer_ages" => {
            let ages = TableDefinition::<&[u8; 32], u64>::new("peer_ages");
            transaction.open_table(ages)?.insert(&peer, number)?;
        }
        1 if BY_KEY[which % 6] == "out_asked" => {
            let asked = TableDefinition::<&[u8; 16], &[u8; 32]>::new("out_asked");
            transaction.open_table(asked)?.insert(&[key; 16], &peer)?;
        }
        1 => {
            let rows = TableDefinition::<&[u8; 32], &[u8]>::new(BY_KEY[which % 6]);
            transaction.open_table(rows)?.insert(&peer, value)?;
        }
        2 if BY_NUMBERED[which % 4] == "in_owed" => {
            let owed = TableDefinition::<&[u8; 40], &[u8; 16]>::new("in_owed");
            transaction.open_table(owed)?.insert(&numbered, &[key; 16])?;
        }
        2 => {
            let rows = TableDefinition::<&[u8; 40], &[u8]>::new(BY_NUMBERED[which % 4]);
            transaction.open_table(rows)?.insert(&numbered, value)?;
        }
        3 => {
            let rows = TableDefinition::<u64, &[u8]>::new(BY_NUMBER[which % 4]);
            transaction.open_table(rows)?.insert(number, value)?;
        }
        4 => {
            let peers = TableDefinition::<u32, &[u8]>::new("peers");
            transaction.open_table(peers)?.insert(u32::from(key), value)?;
        }
        5 => {
            let mut id = [0; 49];
            id[1..33].copy_from_slice(&peer);
            let transfers = TableDefinition::<&[u8; 49], &[u8]>::new("transfers");
            transaction.open_table(transfers)?.insert(&id, value)?;
        }
        6 => {
            let counters = TableDefinition::<u8, &[u8]>::new("delivery_counters");
            transaction.open_table(counters)?.insert(key % 3, value)?;
        }
        _ => {
            let ids = TableDefinition::<&[u8; 16], &[u8; 40]>::new("out_ids");
            transaction.open_table(ids)?.insert(&[key; 16], &numbered)?;
        }
    }
    Ok(())
}

/// The bytes of an empty store.
fn template() -> Vec<u8> {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE
        .get_or_init(|| {
            let disk = Disk::new(Vec::new());
            let own = disk.clone();
            let store = Store::on(move || own.clone()).expect("an empty disk");
            store.commit(&[]).expect("nothing to write");
            drop(store);
            disk.bytes()
        })
        .clone()
}

/// A disk in memory; clones are the same.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Disk {
    fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.lock().resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let place = bytes.get_mut(start..start + data.len()).ok_or(io::ErrorKind::WriteZero)?;
        place.copy_from_slice(data);
        Ok(())
    }
}

/// Rows as this version writes them, one table after another, and rows that make no sense.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let row = |table: u8, key: u8, value: &[u8]| {
        [&[table, key, u8::try_from(value.len()).expect("short")], value].concat()
    };
    let number = |number: u64| number.to_be_bytes().to_vec();
    let id = peer_protocol::id::MessageId::random(&mut crate::fuzzing::seeds::rng());
    let head = [id.as_bytes().as_slice(), &[0, 4], b"task", &[0], &number(5)].concat();
    let sent = [head.as_slice(), &[number(7), number(9)].concat(), &[1], &[0; 32], &[1]].concat();
    let peer = identity(0).public_key().as_bytes().to_owned();
    let received = [&peer[..], &head, &[0], &[number(7), number(0)].concat(), &[0, 0]].concat();
    let stream = [&[0][..], &number(3), &number(1), &number(5)].concat();
    let place = [&[0][..], &number(3), &number(1), &number(1), &number(5)].concat();
    let counters = [number(4), number(2), number(1), number(1)].concat();
    let all = [
        row(6, 0, &counters),
        row(1 + 8 * 2, 0, &stream),
        row(1 + 8 * 3, 0, &place),
        row(2, 0, b"hello"),
        row(2 + 8, 0, &sent),
        row(3, 0, b"hello"),
        row(3 + 8, 0, &received),
        row(4, 0, &[0xa0]),
        row(5, 0, &[0xa0]),
    ];
    let broken: Vec<u8> = (0..24).flat_map(|table| row(table, table, &[0xff; 9])).collect();
    vec![all.concat(), row(0, 0, b"2"), row(0, 0, b"9"), broken]
}
