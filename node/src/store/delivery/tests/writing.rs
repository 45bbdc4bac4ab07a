//! The writing thread reports what is on disk, and what is not.

use std::sync::Arc;
use std::time::Duration;

use peer_behaviours::{Clock, SystemClock};

use super::shaky::{Fate, Shaky};
use super::*;

use crate::store::{Change, Durable, Refused, StoreError, Writer, Written};

fn writer(store: Store) -> Writer {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Writer::start(store, clock).unwrap()
}

fn accept(rng: &mut StdRng, number: u64, len: usize) -> Vec<Durable> {
    vec![Write::Accept(outgoing(rng, peer(1), number, len)).into()]
}

#[tokio::test]
async fn what_is_submitted_is_reported_in_order_once_it_is_on_disk() {
    let (disk, mut rng) = (Shaky::default(), StdRng::seed_from_u64(1));
    let store = disk.open().unwrap();
    let mut writer = writer(store.clone());
    let mut results = writer.results().unwrap();
    let mut tickets = Vec::new();
    for number in 0..500 {
        tickets.push(writer.submitter().submit(accept(&mut rng, number, 100)).unwrap());
        writer.write([Change::Salt([1; 32])]);
    }
    for ticket in tickets {
        let committed = results.recv().await.unwrap();
        assert_eq!(committed.ticket, ticket);
        assert_eq!(committed.outcome, Ok(vec![Written::Done]));
    }
    // Nothing is reported before it is synced.
    let left = disk.after_crash(&mut rng).open().unwrap();
    assert_eq!(left.window(&peer(1), 0, u64::MAX).unwrap().len(), 500);
    let again = writer.submitter().submit(accept(&mut rng, 0, 1)).unwrap();
    let committed = results.recv().await.unwrap();
    assert_eq!((committed.ticket, committed.outcome), (again, Ok(vec![Written::Stale])));
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
    assert_eq!(writer.submitter().submit(Vec::new()), Err(Refused::Closed));
    assert!(matches!(store.saved(), Err(StoreError::Unusable { .. })), "the file is closed");
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_failure_and_the_cache_is_kept() {
    let (disk, mut rng) = (Shaky::default(), StdRng::seed_from_u64(1));
    let mut writer = writer(disk.open().unwrap());
    let mut results = writer.results().unwrap();
    writer.submitter().submit(accept(&mut rng, 0, 100)).unwrap();
    assert!(results.recv().await.unwrap().outcome.is_ok());
    disk.doom(0, Fate::Full(usize::MAX / 2));
    writer.write([Change::Salt([7; 32])]);
    for number in 1..4 {
        writer.submitter().submit(accept(&mut rng, number, 100)).unwrap();
        let error = results.recv().await.unwrap().outcome.unwrap_err();
        assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    }
    disk.doom(0, Fate::Full(0));
    assert_eq!(writer.close().unwrap().await, Ok(Ok(())));
    let store = disk.open().unwrap();
    assert_eq!(store.load().unwrap().salt, Some([7; 32]));
    assert_eq!(store.window(&peer(1), 0, u64::MAX).unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_accepts() {
    let mut rng = StdRng::seed_from_u64(1);
    let disk = crate::store::disk::Disk::new();
    let mut writer = writer(disk.store());
    let mut results = writer.results().unwrap();
    disk.set(crate::store::disk::Mood::Hangs);
    let large = 1 << 20;
    let taken = (0..200)
        .take_while(|number| writer.submitter().submit(accept(&mut rng, *number, large)).is_ok());
    let taken = taken.count();
    assert!((50..=64).contains(&taken), "{taken}");
    disk.set(crate::store::disk::Mood::Works);
    for _ in 0..taken {
        let outcome = tokio::time::timeout(Duration::from_secs(60), results.recv()).await;
        assert!(outcome.unwrap().unwrap().outcome.is_ok());
    }
    assert!(writer.submitter().submit(accept(&mut rng, 999, large)).is_ok());
}
