//! What is written is read again, whatever happens in between.

mod failing;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use peer_behaviours::{Clock, SystemClock};
use peer_protocol::time::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use redb::ReadableDatabase as _;

use super::*;

fn entry(n: u8) -> Entry {
    Entry {
        source: (n > 1).then(|| vec![n; 38].into()),
        value: vec![n; 300].into(),
        expires: u64::from(n) * 1000,
    }
}

fn changes() -> Vec<Change> {
    vec![
        Change::Salt([7; 32]),
        Change::LastSeen(Timestamp::from_millis(123_456)),
        Change::Capabilities(vec!["translate".to_owned()]),
        Change::Records([1; 32], vec![entry(1), entry(2)]),
        Change::Records([2; 32], vec![entry(3)]),
        Change::Providers([3; 32], vec![entry(4)]),
        Change::Peers(vec![Remembered {
            addresses: vec!["/ip4/192.0.2.7/tcp/4711".to_owned()],
            seen: 5,
            routing: true,
        }]),
    ]
}

fn check(loaded: &Loaded) {
    assert_eq!(loaded.salt, Some([7; 32]));
    assert_eq!(loaded.last_seen, Some(Timestamp::from_millis(123_456)));
    assert_eq!(loaded.capabilities, ["translate"]);
    assert_eq!(loaded.records, [([1; 32], vec![entry(1), entry(2)]), ([2; 32], vec![entry(3)])]);
    assert_eq!(loaded.providers, [([3; 32], vec![entry(4)])]);
    assert_eq!(loaded.peers.len(), 1);
    assert_eq!(loaded.broken, 0);
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn commit(store: &Store, changes: &[Change]) {
    store.transact(|tables| changes.iter().try_for_each(|it| tables.change(it))).unwrap();
}

#[test]
fn what_is_written_is_there_after_the_store_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), Loaded::default());
    commit(&store, &changes());
    drop(store);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let store = Store::open(&path).unwrap();
    check(&store.load().unwrap());
    commit(&store, &[Change::Records([1; 32], Vec::new()), Change::Peers(Vec::new())]);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.records.len(), 1);
    assert!(loaded.peers.is_empty());
}

#[tokio::test]
async fn what_was_given_to_the_writing_thread_is_committed_before_the_file_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut writer = Writer::start(Store::open(&path).unwrap(), clock()).unwrap();
    for change in changes() {
        writer.write([change]);
    }
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
    check(&Store::open(&path).unwrap().load().unwrap());
    assert!(writer.close().is_none());
}

#[test]
fn one_store_is_for_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let _held = Store::open(&path).unwrap();
    assert_eq!(Store::open(&path).unwrap_err(), StoreError::InUse { path });
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let garbage = vec![0x5a; 8192];
    std::fs::write(&path, &garbage).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.next_step().contains("move"), "{}", error.next_step());
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[test]
fn a_store_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    store.transact(|tables| tables.set_version(b"999")).unwrap();
    drop(store);
    let error = Store::open(&path).unwrap_err();
    assert_eq!(error, StoreError::Version { path, found: "999".to_owned() });
}

#[test]
fn a_broken_row_is_empty_and_counted() {
    let store = Store::in_memory().unwrap();
    commit(&store, &changes());
    store.transact(|tables| tables.break_records(&[9; 32])).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!((loaded.records.len(), loaded.broken), (3, 1));
    assert_eq!(loaded.records[2], ([9; 32], Vec::new()));
}

#[test]
fn not_more_is_read_than_fits_and_that_is_said() {
    let store = Store::in_memory().unwrap();
    let row = |n: u16| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        Change::Records(key, vec![entry(1)])
    };
    let rows: Vec<_> = (0..9_000).map(row).collect();
    commit(&store, &rows);
    let loaded = store.load().unwrap();
    assert_eq!((loaded.records.len(), loaded.cut), (9_000, false));
    let loaded = store.load_up_to(100_000).unwrap();
    assert!((100..300).contains(&loaded.records.len()), "{}", loaded.records.len());
    assert!(loaded.cut);
}

/// redb asserts that its file is as long as its head says.
#[test]
fn a_file_that_was_cut_short_is_refused_like_any_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    commit(&store, &changes());
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    for len in [1, 100, 4_096, 20_000, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        match Store::open(&path).and_then(|store| store.load()) {
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{len}: {error:?}"),
            Ok(loaded) => panic!("{len} bytes of {}: {loaded:?}", bytes.len()),
        }
    }
}

/// Like a disk that rots: what does not hold is refused and left alone, what holds is all there.
#[test]
fn a_flipped_bit_is_found_or_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    commit(&store, &changes());
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let (mut refused, mut whole) = (0, 0);
    let is_used = |page: &[u8]| page.iter().any(|byte| *byte != 0);
    let used = |at: usize| bytes.chunks(512).nth(at / 512).is_some_and(is_used);
    let places: Vec<_> = (0..bytes.len()).filter(|at| used(*at)).collect();
    for _ in 0..300 {
        let (at, bit) = (*places.choose(&mut rng).unwrap(), rng.random_range(0..8));
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        std::fs::write(&path, &flipped).unwrap();
        match Store::open(&path) {
            Ok(store) => {
                check(&store.load().unwrap());
                whole += 1;
            }
            Err(StoreError::Damaged { .. }) => {
                assert_eq!(std::fs::read(&path).unwrap(), flipped, "byte {at}, bit {bit}");
                refused += 1;
            }
            // The number of redb's own format.
            Err(StoreError::Version { .. }) => {}
            Err(other) => panic!("byte {at}, bit {bit}: {other:?}"),
        }
    }
    println!("{refused} refused, {whole} whole, of {} bytes in use", places.len());
    assert!(refused > 0 && whole > 0);
}

/// The tables of version 1, as they were written then.
mod version_1 {
    use redb::TableDefinition;

    pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    pub(super) const RECORDS: TableDefinition<'_, &[u8; 32], &[u8]> =
        TableDefinition::new("records");
    pub(super) const PROVIDERS: TableDefinition<'_, &[u8; 32], &[u8]> =
        TableDefinition::new("providers");
    pub(super) const PEERS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("peers");
}

#[test]
fn a_store_of_version_1_keeps_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(version_1::META).unwrap();
        meta.insert("schema", b"1".as_slice()).unwrap();
        meta.insert("registry_salt", [7; 32].as_slice()).unwrap();
        meta.insert("last_seen", 123_456_u64.to_be_bytes().as_slice()).unwrap();
        let names = row::encode(&["translate"]).unwrap();
        meta.insert("capabilities", names.as_slice()).unwrap();
        let mut records = transaction.open_table(version_1::RECORDS).unwrap();
        let rows = |entries: &[Entry]| row::encode(&entries).unwrap();
        records.insert(&[1; 32], rows(&[entry(1), entry(2)]).as_slice()).unwrap();
        records.insert(&[2; 32], rows(&[entry(3)]).as_slice()).unwrap();
        let mut providers = transaction.open_table(version_1::PROVIDERS).unwrap();
        providers.insert(&[3; 32], rows(&[entry(4)]).as_slice()).unwrap();
        let addresses = vec!["/ip4/192.0.2.7/tcp/4711".to_owned()];
        let peer = Remembered { addresses, seen: 5, routing: true };
        let mut peers = transaction.open_table(version_1::PEERS).unwrap();
        peers.insert(0, row::encode(&peer).unwrap().as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        check(&store.load().unwrap());
        assert_eq!(store.saved().unwrap(), []);
        assert_eq!(store.senders().unwrap(), []);
    }
    let database = redb::Database::open(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(version_1::META).unwrap();
    assert_eq!(meta.get("schema").unwrap().unwrap().value(), b"3");
}
