//! The routing behaviour and links over hops, in swarms on the memory transport.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod attacks;
mod liars;
mod node;
mod ways;
