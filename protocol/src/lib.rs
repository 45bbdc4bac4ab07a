//! Peer Communication Protocol v1.1: the sans-IO core.
//!
//! Bytes and clock readings go in, bytes and events come out. Nothing here opens a socket, reads a
//! clock or draws randomness: the caller passes all of that in, so that hours of protocol run in
//! milliseconds and every failure replays from its seed. `docs/PROTOCOL.md` is the specification.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::wildcard_enum_match_arm))]

mod cbor;
pub mod crypto;
pub mod delivery;
pub mod envelope;
pub mod error;
pub mod handshake;
pub mod id;
pub mod identity;
pub mod legacy;
pub mod limits;
pub mod link;
pub mod mailbox;
pub mod message;
pub mod rate_limit;
pub mod registry;
pub mod replay;
pub mod routing;
pub mod session;
pub mod spare;
pub mod stream;
pub mod time;
pub mod transfer;

pub use cbor::CborError;
