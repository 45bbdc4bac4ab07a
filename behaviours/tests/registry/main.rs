//! The registry in real swarms on the memory transport.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod attacks;
mod entities;
mod hostile;
mod lives;
mod lookups;
mod net;
mod providers;
