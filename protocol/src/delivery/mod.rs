//! Delivery: what a sender was told is accepted arrives once and in order, across crashes of either
//! side (`docs/PROTOCOL.md` §8).
//!
//! Nothing here touches a disk. What has to be durable leaves as [`Write`]s, which the owner commits in
//! order, many at a time, and reports back.

mod held;
mod incoming;
mod order;
mod outbox;
mod status;
mod write;

pub use held::HeldRoom;
pub use incoming::{Incoming, Resume, Verdict};
pub use order::{Order, Position};
pub use outbox::{Effect, Head, NotAccepted, Outbox, Saved, Ticket};
pub use status::{Status, Step};
pub use write::{Arrival, Outgoing, Write};
