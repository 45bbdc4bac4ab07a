//! What the tests share: people with keys, a simulated network on a virtual clock, and the bodies of
//! the fuzz targets, which stable Rust can call too.

#![allow(
    clippy::expect_used,
    reason = "all of this runs inside tests, where an expectation that fails is the finding"
)]

#[cfg(feature = "nodes")]
pub mod dht;
#[cfg(feature = "behaviours")]
pub mod framed;
pub mod fuzzing;
pub mod pairs;
pub mod people;
#[cfg(feature = "nodes")]
pub mod processes;
pub mod simulation;
#[cfg(feature = "nodes")]
pub mod soak;
