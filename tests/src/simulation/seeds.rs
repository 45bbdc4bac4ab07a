//! Many runs, each from its own seed; a failure names its seed, and one seed can be run alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run` for `count` seeds. `SIM_SEED=7` runs only seed 7; `SIM_RUNS=100000` runs that many.
///
/// # Panics
/// If a run panics; the message names its seed.
pub fn for_each_seed(count: u64, run: impl Fn(u64)) {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SIM_RUNS").unwrap_or(count),
    };
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("seed {seed} failed; set SIM_SEED={seed} to run it alone");
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
