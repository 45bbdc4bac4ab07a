//! Several hops (`docs/PROTOCOL.md` §12): envelopes for an entity that cannot be reached directly
//! travel over nodes that are connected to each other.
//!
//! Neighbours exchange a [`Packet`] for an [`Outcome`]. A carrier answers only once its own next hop
//! has, so that the answer comes back on the way of the packet, and nobody keeps state for longer
//! than that. Sans-IO: a [`Router`] is told what arrives and says what to send.
//!
//! - `header`, `outcome`: what travels, and its bytes; the envelope inside is opaque to carriers.
//! - `router`: the state, and what its owner calls; `incoming`, `onward`: what neighbours bring, and
//!   handing it on; `transit`: one packet on its way through.
//! - `choice`, `routes`: which neighbour comes next, and what was learnt of it.
//! - `seen`, `arrivals`: no loops, and nothing delivered twice.
//! - `accounts`: what neighbours may spend.

mod accounts;
mod arrivals;
mod choice;
mod error;
mod event;
mod header;
mod incoming;
mod onward;
mod outcome;
mod router;
mod routes;
mod seen;
mod stats;
mod transit;

pub use accounts::Quotas;
pub use error::HopError;
pub use event::{ArrivalId, Event, ExchangeId, Transmit, TryId};
pub use header::{Header, Packet, PacketId};
pub use outcome::{Head, Outcome, Reason, Refusal};
pub use router::{Config, Router, TooMuch};
pub use stats::Stats;

use header::Mark;

#[cfg(test)]
mod tests;
