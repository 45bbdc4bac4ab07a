//! The secure behaviour in real swarms on the memory transport.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod ordered;
mod sessions;
mod stream;
mod unsupported;
