//! What rows hold.

use std::collections::TryReserveError;

use cbor4ii::serde::{DecodeError, EncodeError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// An entry of the registry's stores, as `peer_behaviours::registry` exports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Who brought it: a peer id; none for this node's own.
    pub(crate) source: Option<ByteBuf>,
    /// The entry's bytes.
    pub(crate) value: ByteBuf,
    /// When it leaves the store, in ms since the Unix epoch.
    pub(crate) expires: u64,
}

/// A peer that was reached, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Addresses with `/p2p/<peer id>` at the end, the best first.
    pub(crate) addresses: Vec<String>,
    /// When it was last connected, in ms since the Unix epoch.
    pub(crate) seen: u64,
    /// Whether it stood in the routing table of the registry.
    pub(crate) routing: bool,
}

/// A peer that this node has to do with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// The name it proved to have.
    pub(crate) entity: String,
    /// Where it was dialled, the best first.
    pub(crate) addresses: Vec<String>,
    /// When its last session began, in ms since the Unix epoch.
    pub(crate) seen: u64,
}

pub(super) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, EncodeError<TryReserveError>> {
    cbor4ii::serde::to_vec(Vec::new(), row)
}

pub(super) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
) -> Result<T, DecodeError<std::convert::Infallible>> {
    cbor4ii::serde::from_slice(bytes)
}
