//! The routing behaviour and links over hops, in swarms on the memory transport.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod attacks;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod common;
mod liars;
mod node;
mod ways;
