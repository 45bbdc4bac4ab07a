//! Many runs, each from its own seed; a failure names its seed, and one seed can be run alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run` for `count` seeds; returns how many there were. `SIM_SEED=7` runs only seed 7, and
/// prints what happens in it; `SIM_RUNS=100000` runs that many.
///
/// # Panics
/// If a run panics; the message names its seed.
pub fn for_each_seed(count: u64, run: impl Fn(u64)) -> u64 {
    for_each_seed_of(0, 1, count, run)
}

/// As [`for_each_seed`], but of the seeds only every `parts`th, from the one after `part` on: so tests that
/// run beside each other share them out.
///
/// # Panics
/// If a run panics; the message names its seed.
pub fn for_each_seed_of(part: u64, parts: u64, count: u64, run: impl Fn(u64)) -> u64 {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SIM_RUNS").unwrap_or(count),
    };
    let mut runs = 0;
    for seed in seeds.filter(|seed| seed.wrapping_sub(1) % parts == part) {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("seed {seed} failed; set SIM_SEED={seed} to run it alone");
        }
        runs += 1;
    }
    runs
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
