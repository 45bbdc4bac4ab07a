//! The protocol as libp2p network behaviours: thin adapters between the swarm and `peer-protocol`.
//!
//! [`secure`] carries version 1.1 over `/peer/1.1.0`. Each peer's [`peer_protocol::link::Link`] runs
//! in a task of its own, so that no cryptography happens in the swarm's event loop. [`legacy`] does
//! the same for version 1.0 over `/peer/1.0.0`. [`registry`] keeps and finds records in Kademlia.
//! [`routing`] carries sealed envelopes over several hops. [`reachability`] finds out where the node can
//! be reached. [`limits`] keeps one network from taking every connection.

pub mod boxed;
mod budget;
mod clock;
mod conduct;
#[doc(hidden)]
pub mod fuzzing;
mod keep_alive;
pub mod legacy;
pub mod limits;
mod prefix;
pub mod reachability;
pub mod registry;
pub mod routing;
pub mod secure;

pub use clock::{Clock, SystemClock};
pub use prefix::Prefix;
