//! Version 1.1 under attack, state by state, and against committed vectors.
//!
//! - `wire` is a second implementation of what travels, written from `docs/PROTOCOL.md` with the
//!   cryptographic primitives only. It forges what the crate would never send, and checks the vectors.
//! - `rig` drives two nodes, message by message.
//! - `states` walks the state tables and real handshakes.
//! - `attacks` holds one test for each attack, named for it.
//! - `vectors` reproduces and recomputes `protocol/tests/vectors/*.json`.
//! - `limits` holds the computed limits against `docs/PROTOCOL.md`.
//! - `cited` checks that what `docs/SECURITY.md` names is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod attacks;
mod cited;
mod limits;
mod rig;
mod secrets;
mod states;
mod vectors;
mod wire;
