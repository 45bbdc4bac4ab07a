//! The registry in real swarms on the memory transport.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod entities;
mod lookups;
mod net;
