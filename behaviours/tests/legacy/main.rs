//! Version 1.0 over a real swarm on a memory transport.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod nodes;
mod raw;
mod raw_peer;
mod support;
