//! Chunked transfers of this node: files and large contents, from disk and to disk
//! (`docs/PROTOCOL.md` §9).
//!
//! - `places`, `names`: where what is under way lies, and under which names files are put down.
//! - `row`, `ledger`: what both sides remember across restarts, and whoever keeps it.
//! - `source`, `sending`: the file that is sent, and the task that sends it.
//! - `intake`: what comes in is judged before it is acknowledged; `part`, `receiving`: the file that
//!   arrives, and the task that writes it; `placing`: putting it down under its name.
//! - `content`: contents of messages that are too long for one; `contents`: those that are sent;
//!   `doubts`: of which nobody knows whether their messages are on disk.
//! - `book`: what people are told of all of them.
//! - `service`: all of that together, as the event loop and the outbox call it.
//!
//! Nothing here blocks the event loop: disks are touched on blocking threads, a task a transfer.

mod book;
mod content;
mod contents;
mod doubts;
mod error;
mod intake;
mod ledger;
mod names;
mod part;
mod places;
mod placing;
mod receiving;
mod row;
mod sending;
mod service;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use content::transfer_of;
pub(crate) use doubts::Doubt;
pub use error::TransferFailure;
pub(crate) use intake::Intake;
pub(crate) use ledger::InStore;
pub(crate) use row::{Key, Stage};
pub(crate) use service::{Fate, Output, Received, Transfers};
