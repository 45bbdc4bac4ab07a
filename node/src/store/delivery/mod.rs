//! Ordered messages (`docs/PROTOCOL.md` §8): the outbox, the inbox, and what is known of messages that
//! left them.
//!
//! - `tables`: what stands where. Bodies stand apart, so that a change of status rewrites some hundred
//!   bytes; keys rise as messages come, so that neighbours share a page of the file. Only the two indices
//!   by id are written all over the place.
//! - `rows`: what rows hold.
//! - `apply`: one transaction; `outgoing`, `incoming`, `steps`: what each [`Write`] does.
//! - `keeping`: how long what is settled is kept; `gone`: how long peers are known.
//! - `load`: what the node needs to go on after a restart; `look`: what people ask for.
//!
//! [`Write`]: peer_protocol::delivery::Write

mod apply;
mod gone;
mod incoming;
mod keeping;
mod load;
mod look;
mod outgoing;
mod rows;
mod steps;
mod tables;
#[cfg(test)]
mod tests;

pub use apply::Written;
pub(super) use apply::{Delivery, Mark};
pub(super) use load::used_bytes;
pub use load::{Arrived, Sender};
pub use look::{Filter, Found, IncomingRecord, OutboxPlace, OutgoingRecord, Page, Trace};
pub use rows::Waiting;
pub(super) use tables::create;
