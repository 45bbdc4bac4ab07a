//! The registry (`docs/PROTOCOL.md` §11): who is where and who can do what, kept by strangers.
//!
//! Nothing that comes out of the network is believed for having been stored there. A [`Record`] is
//! signed by the entity it speaks of, stands only under keys that follow from its content, and has
//! a life that its signature covers; [`SignedRecord::verify`] checks all of it, and only that makes
//! a [`Verified`] one. Sans-IO: a DHT brings bytes, takes bytes, and asks for the keys named here.
//!
//! - `key`, `shard`: where a record and a provider entry stand.
//! - `record`, `wire`: what a record says, and its bytes.
//! - `verify`, `freshness`: whether it is believed, and which of two is newer.
//! - `store`, `providers`: what a node keeps for others, bounded (`shelf`).
//! - `resolve`, `search`: what a node makes of the answers it gets.

mod error;
mod freshness;
mod key;
mod providers;
mod record;
mod refusal;
mod resolve;
mod search;
mod shard;
mod shelf;
mod store;
mod verify;
mod wire;

pub use error::RegistryError;
pub use key::{Capability, CapabilityError, Key, Place};
pub use providers::{Provider, ProviderStore};
pub use record::Record;
pub use refusal::{Reason, Refusal, Refusals};
pub use resolve::{Lookup, Resolution};
pub use search::CapabilitySearch;
pub use shard::Shard;
pub use shelf::{Accepted, Limits, Origin};
pub use store::{RecordStore, StoredRecord};
pub use verify::Verified;
pub use wire::SignedRecord;

#[cfg(test)]
mod tests;
