//! The mailbox (`docs/PROTOCOL.md` §18): vectors, attacks, forward secrecy, and whole lives of senders,
//! receivers and mailbox nodes on a virtual clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod attacks;
mod cbor;
mod people;
mod secrecy;
mod simulation;
mod vectors;
