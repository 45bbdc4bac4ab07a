//! Two nodes that are killed again and again while messages go from one to the other. In full:
//! `scripts/bench delivery`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]
#![cfg(feature = "nodes")]

use std::time::Duration;

use peer_tests::processes::kills::{self, Plan};

#[test]
fn nothing_is_lost_repeated_or_reordered_by_kills() {
    let root = tempfile::tempdir().unwrap();
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let limit = Duration::from_secs(100);
    let outcome = kills::run(root.path(), Plan { messages: 1_000, kills: 4, seed, limit });
    let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{outcome:?}");
    // Each kill costs at most what was asked at that moment.
    assert!(outcome.accepted >= 1_000 - 4 * 17, "{outcome:?}");
}
