//! Nodes with a gateway, and version 1.0 peers that know only HTTP.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod forwarding;
mod outgoing;
mod process;
mod refusals;
mod sessions;
mod support;
mod vectors;
