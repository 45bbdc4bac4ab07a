//! Whatever was reported is there after a crash, and nothing is there by halves.

use rand::RngExt as _;

use super::model::Model;
use super::random::writes;
use super::shaky::{Fate, Shaky};
use super::*;
use crate::store::StoreError;

/// A workload that is the same each time, with the model after each transaction.
fn workload(seed: u64, transactions: usize) -> Vec<(Vec<Write>, Model)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Model::default();
    let mut work = Vec::new();
    for _ in 0..transactions {
        let writes = writes(&mut rng, &model);
        model.apply(&writes);
        work.push((writes, model.clone()));
    }
    work
}

#[test]
fn a_store_holds_what_a_naive_model_holds_over_restarts() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let (disk, mut model) = (Shaky::default(), Model::default());
        let mut store = disk.open().unwrap();
        for _ in 0..30 {
            let writes = writes(&mut rng, &model);
            assert_eq!(store.commit(&writes).unwrap(), model.apply(&writes), "seed {seed}");
            if rng.random_bool(0.1) {
                model.check(&store).unwrap();
                drop(store);
                store = disk.open().unwrap();
            }
        }
        model.check(&store).unwrap();
    }
}

/// The power goes at each write and each sync in turn.
#[test]
fn what_was_reported_survives_a_crash_at_any_point() {
    let work = workload(7, 10);
    let disk = Shaky::default();
    drop(disk.open().unwrap());
    let made = disk.done();
    let disk = Shaky::default();
    let run = |disk: &Shaky| -> usize {
        let Ok(store) = disk.open() else { return 0 };
        let committed = work.iter().take_while(|(writes, _)| store.commit(writes).is_ok());
        committed.count()
    };
    assert_eq!(run(&disk), work.len());
    let points = disk.done();
    assert!(points > 100, "{points}");
    for point in 0..points {
        let mut rng = StdRng::seed_from_u64(point as u64);
        let disk = Shaky::default();
        disk.doom(point, Fate::Crash);
        let reported = run(&disk);
        let after = disk.after_crash(&mut rng);
        let store = match after.open() {
            Ok(store) => store,
            // A file is made beside its place, so that nobody sees it before it is whole.
            Err(_) if reported == 0 && point < made => continue,
            Err(error) => panic!("point {point}, {reported} reported: {error}"),
        };
        let empty = Model::default();
        let before = reported.checked_sub(1).map_or(&empty, |last| &work[last].1);
        let during = work.get(reported).map_or(before, |(_, model)| model);
        if let Err(error) = before.check(&store) {
            during.check(&store).unwrap_or_else(|other| {
                panic!("point {point}, {reported} reported: neither {error} nor {other}")
            });
        }
        // And it goes on.
        let goes_on = store.commit(&[Write::Accept(outgoing(&mut rng, peer(9), 0, 10))]);
        goes_on.unwrap();
    }
}

/// Writes fail for a while from each point on; the store goes on by itself afterwards, or, if it was a sync
/// that failed, once it is opened anew.
#[test]
fn a_full_disk_fails_what_it_fails_and_loses_nothing_else() {
    let work = workload(11, 8);
    let disk = Shaky::default();
    let store = disk.open().unwrap();
    let opened = disk.done();
    for (writes, _) in &work {
        store.commit(writes).unwrap();
    }
    let points = disk.done();
    let (mut failed, mut syncs) = (0, 0);
    for point in 0..points - opened {
        let mut rng = StdRng::seed_from_u64(point as u64);
        let disk = Shaky::default();
        let mut store = disk.open().unwrap();
        disk.doom(point, Fate::Full(rng.random_range(1..40)));
        let mut model = Model::default();
        for (writes, _) in &work {
            // What is stale after a failure is so for both.
            match store.commit(writes) {
                Ok(written) => assert_eq!(written, model.apply(writes), "point {point}"),
                Err(error) => {
                    failed += 1;
                    let reason = error.to_string();
                    let unsynced = matches!(error, StoreError::Unsynced { .. });
                    assert!(unsynced || reason.contains("cannot use the store"), "{reason}");
                    // Until it works again.
                    while let Err(error) = store.saved() {
                        if matches!(error, StoreError::Unsynced { .. }) {
                            syncs += 1;
                            assert!(store.commit(writes).is_err() && store.saved().is_err());
                            drop(store);
                            store = loop {
                                if let Ok(store) = disk.open() {
                                    break store;
                                }
                            };
                        }
                    }
                    if unsynced {
                        // Nobody could take back what was accepted, and may be there.
                        if model.check(&store).is_err() {
                            model.apply(writes);
                            model.check(&store).unwrap();
                        }
                        continue;
                    }
                    if let Err(nothing) = model.check(&store) {
                        model.apply(writes);
                        model.withdraw(writes);
                        if let Err(most) = model.check(&store) {
                            panic!("point {point}: neither {nothing} nor {most}");
                        }
                    }
                }
            }
        }
        model.check(&store).unwrap();
        drop(store);
        model.check(&disk.open().unwrap()).unwrap();
    }
    assert!(failed > points / 4, "{failed} of {points}");
    assert!(syncs > 5, "{syncs} of {points}");
}
