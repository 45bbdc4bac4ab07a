//! What a round says.

use serde::{Deserialize, Serialize};

/// What came out of a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Payloads carried, or connections set up.
    pub count: u64,
    /// How many a second.
    pub per_second: f64,
    /// Mebibytes of payload a second, one way.
    pub mib_per_second: f64,
    /// Median time of one in microseconds; zero if they overlapped.
    pub p50_us: f64,
    /// The time that 99 of 100 take at most.
    pub p99_us: f64,
    /// Microseconds of processor time for one, both processes together; zero where it is not told.
    pub cpu_us: f64,
}
