//! A minute of work and churn between real nodes: all arrives once, and what two nodes take that stay goes
//! back to where it was. `scripts/soak` does the same for hours.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::Duration;

use peer_tests::soak::{self, Bounds, Plan};
use tempfile::TempDir;

#[test]
fn a_minute_of_churn_leaves_nothing_behind() {
    let root = TempDir::new().unwrap();
    let plan = Plan {
        warm_up: Duration::from_secs(8),
        haste: 1.0,
        length: Duration::from_secs(30),
        others: 3,
        seed: rand::random(),
        pace: 5.0,
        reading: Duration::from_millis(500),
        // So short a run shows leaks of descriptors and threads, and of memory only large ones.
        bounds: Bounds { kib_per_hour: None, kib_at_last: 8.0 * 1024.0 },
    };
    let outcome = soak::run(root.path(), &plan, &mut |text| println!("{text}")).unwrap();
    println!("{:?}\n{:?}", outcome.account, outcome.tally);
    assert_eq!(outcome.findings(), Vec::<String>::new());
    for what in ["reports", "asks", "files", "lookups", "wakes", "streams", "version 1.0"] {
        assert!(outcome.tally[what].done > 0, "no {what}: {:?}", outcome.tally);
    }
}
