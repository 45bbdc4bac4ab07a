//! Chunked transfer: payloads that are too large for one message (`docs/PROTOCOL.md` §9).
//!
//! A [`Sender`] and a [`Receiver`] are the two ends of one transfer. Neither reads, writes or sends
//! anything, and neither holds bytes of the payload: their owners do that, and report back.

mod error;
mod name;
mod part;
mod ranges;
mod receiver;
mod sender;

pub use error::TransferError;
pub use name::{BadName, check_name};
pub use part::Part;
pub use receiver::{Receiver, Taken};
pub use sender::{Ended, Limits, Sender, Step};

#[cfg(test)]
mod tests;
