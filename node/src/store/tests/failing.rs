//! A disk that fails, or hangs, for a while.

use std::time::Duration;

use super::*;
use crate::store::disk::{Disk, Mood};
use crate::store::thread::Pauses;

fn writer(disk: &Disk) -> Writer {
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(5));
    Writer::with_pauses(disk.store(), clock(), Pauses { first, longest }).unwrap()
}

/// Lets the writing thread go on until `done`.
fn wait_until(done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "nothing happens");
        std::thread::yield_now();
    }
}

fn now() -> Timestamp {
    clock().now().timestamp
}

#[tokio::test]
async fn what_could_not_be_written_is_written_once_the_disk_works_again() {
    let disk = Disk::new();
    let mut writer = writer(&disk);
    writer.write([Change::Salt([1; 32])]);
    wait_until(|| !writer.is_behind());
    disk.set(Mood::Fails);
    writer.write(changes());
    wait_until(|| writer.trouble(now()).is_some());
    let trouble = writer.trouble(now()).unwrap();
    assert!(matches!(trouble.error, StoreError::Unusable { .. }), "{trouble:?}");
    assert!(writer.is_behind());
    writer.write([Change::LastSeen(Timestamp::from_millis(1)), Change::Records([9; 32], vec![])]);
    writer.write([Change::LastSeen(Timestamp::from_millis(123_456))]);
    // Some tries later it is still the same trouble.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(writer.trouble(now()).unwrap().since, trouble.since);
    }
    disk.set(Mood::Works);
    wait_until(|| !writer.is_behind());
    assert_eq!(writer.trouble(now()), None);
    writer.write([Change::Capabilities(vec!["translate".to_owned()])]);
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
    check(&disk.store().load().unwrap());
}

#[tokio::test]
async fn closing_tries_a_last_time_at_once_and_says_what_became_of_it() {
    for (mood, saved) in [(Mood::Works, true), (Mood::Fails, false)] {
        let disk = Disk::new();
        let pause = Duration::from_secs(3_600);
        let pauses = Pauses { first: pause, longest: pause };
        let mut writer = Writer::with_pauses(disk.store(), clock(), pauses).unwrap();
        disk.set(Mood::Fails);
        writer.write(changes());
        wait_until(|| writer.trouble(now()).is_some());
        disk.set(mood);
        assert_eq!(writer.close().unwrap().await.unwrap().is_ok(), saved);
        disk.set(Mood::Works);
        assert_eq!(disk.store().load().unwrap() != Loaded::default(), saved);
    }
}

/// However long the disk hangs, what waits for it is bounded, and is written afterwards.
#[tokio::test]
async fn a_hanging_disk_is_noticed_and_fills_no_memory() {
    let disk = Disk::new();
    let mut writer = writer(&disk);
    disk.set(Mood::Hangs);
    writer.write([Change::Salt([7; 32])]);
    let later = || now() + Duration::from_secs(11);
    wait_until(|| writer.trouble(later()).is_some());
    assert_eq!(writer.trouble(now()), None, "a moment is no trouble");
    for n in 0..10_000u64 {
        writer.write([Change::LastSeen(Timestamp::from_millis(n))]);
        writer.write([Change::Records([1; 32], vec![entry((n % 7) as u8)])]);
    }
    assert!(writer.is_behind());
    disk.set(Mood::Works);
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
    let loaded = disk.store().load().unwrap();
    assert_eq!(loaded.last_seen, Some(Timestamp::from_millis(9_999)));
    assert_eq!(loaded.records, [([1; 32], vec![entry((9_999 % 7) as u8)])]);
}

/// A sync that failed is not made good by another one that does not.
#[tokio::test]
async fn after_a_failed_sync_nothing_is_said_to_be_on_disk_until_a_restart() {
    let disk = Disk::new();
    let store = disk.store();
    commit(&store, &[Change::Salt([1; 32])]);
    disk.set(Mood::FailsToSync);
    let salt = |n| move |tables: &mut Tables<'_>| tables.change(&Change::Salt([n; 32]));
    let failed = store.transact(salt(2)).unwrap_err();
    assert!(matches!(failed, StoreError::Unsynced { .. }), "{failed:?}");
    assert!(failed.to_string().contains("input/output error"), "{failed}");
    assert!(failed.next_step().contains("restart"), "{}", failed.next_step());
    disk.set(Mood::Works);
    assert_eq!(store.transact(salt(3)), Err(failed.clone()));
    assert_eq!(store.load(), Err(failed.clone()), "what is read may not be on disk either");
    assert_eq!(store.transact(salt(4)), Err(failed));
    drop(store);
    let store = disk.store();
    let salt = store.load().unwrap().salt.unwrap();
    assert!(salt == [1; 32] || salt == [2; 32], "{salt:?}");
    commit(&store, &changes());
    check(&store.load().unwrap());
}

#[tokio::test]
async fn the_writing_thread_reports_failure_after_a_failed_sync_and_says_what_to_do() {
    let disk = Disk::new();
    let mut writer = writer(&disk);
    writer.write([Change::Salt([1; 32])]);
    wait_until(|| !writer.is_behind());
    disk.set(Mood::FailsToSync);
    writer.write([Change::Salt([2; 32])]);
    wait_until(|| writer.trouble(now()).is_some());
    disk.set(Mood::Works);
    for _ in 0..20 {
        let outcome = writer.submitter().submit_alone(Vec::new()).unwrap();
        assert!(matches!(outcome.await, Ok(Err(StoreError::Unsynced { .. }))));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(writer.is_behind());
    assert!(matches!(writer.close().unwrap().await, Ok(Err(StoreError::Unsynced { .. }))));
}
