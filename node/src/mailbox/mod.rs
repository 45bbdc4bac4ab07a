//! The mailbox (`docs/PROTOCOL.md` §18) of a node: what it keeps for others, where its own messages wait,
//! and what it puts for those that it does not reach.
//!
//! All of it is decided in one thread of its own, which may wait for the disk and does the cryptography.
//!
//! - `message`: what goes in and comes out.
//! - `worker`: the thread; `keeping`, `receiving`, `sending`: its three parts.
//! - `disk`: where its rows are; `vault`: that of deleted prekeys nothing stays there.
//! - `known`: whose mailbox nodes are where.
//! - `budget`, `unwritten`: how much memory what waits may take.

mod budget;
mod disk;
mod keeping;
mod known;
mod message;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;
mod unwritten;
mod vault;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peer_behaviours::Clock;
use peer_protocol::crypto::PublicKey;
use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::identity::Identity;
use peer_protocol::message::{ErrorReport, Mailbox as Request, MailboxResult};
use tokio::sync::mpsc;

use self::budget::Budget;
pub(crate) use self::disk::{Disk, StoredRows};
pub(crate) use self::message::{Asker, Input, Output, Settled, Taking};
use self::worker::Worker;
use crate::config::{MailboxConfig, ServeMailbox};
use crate::error::StartError;

/// When somebody comes again whom there was no room for, in milliseconds.
const RETRY_AFTER_MS: u64 = 2_000;

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) config: MailboxConfig,
    pub(crate) identity: Identity,
    pub(crate) suites: SuiteRegistry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Box<dyn Disk>,
}

/// The way to the thread. It ends when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    inputs: std::sync::mpsc::Sender<Input>,
    budget: Budget,
    put: Arc<AtomicBool>,
    serves: bool,
}

impl Mailbox {
    /// Starts the thread, with what is on disk.
    ///
    /// # Errors
    /// [`StartError::Mailbox`] if the rows cannot be read, or the system has no thread left.
    pub(crate) fn start(
        parts: Parts,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Output>), StartError> {
        let failed = |reason: String| StartError::Mailbox { reason };
        let serves = parts.config.serve != ServeMailbox::None;
        let (inputs, receiver) = std::sync::mpsc::channel();
        let (outputs, outgoing) = mpsc::unbounded_channel();
        let worker = Worker::new(parts, outputs).map_err(failed)?;
        let put = Arc::clone(&worker.put_any);
        let thread = std::thread::Builder::new().name("mailbox".to_owned());
        // It may hang in the disk; whoever stops does not wait for it.
        let started = thread.spawn(move || worker.run(&receiver));
        started.map_err(|error| failed(error.to_string()))?;
        Ok((Self { inputs, budget: Budget::default(), put, serves }, outgoing))
    }

    /// Whether anything of this node lies, or is to lie, in somebody's mailbox.
    pub(crate) fn has_put(&self) -> bool {
        self.put.load(Ordering::Relaxed)
    }

    /// Tells the thread something. All of it is bounded by what it is about.
    pub(crate) fn tell(&self, input: Input) {
        // A thread that is gone has said so.
        let _ = self.inputs.send(input);
    }

    /// A request of another peer's, of `len` bytes. `serve` says whether it may become an owner.
    ///
    /// # Errors
    /// The answer, if it is refused at once.
    pub(crate) fn request(
        &self,
        from: PublicKey,
        id: MessageId,
        (request, len): (Request, usize),
        serve: bool,
    ) -> Result<(), Box<MailboxResult>> {
        if !self.serves {
            let detail = "this node is nobody's mailbox";
            let report = ErrorReport::new(ErrorCode::InvalidState, detail);
            return Err(Box::new(MailboxResult::Refused(report)));
        }
        let share = self.budget.take(&request, len);
        let share = share.ok_or_else(|| Box::new(busy("too many requests wait")))?;
        self.tell(Input::Request { from, id, request: Box::new(request), serve, share });
        Ok(())
    }
}

/// The refusal of somebody who may come again.
fn busy(detail: &str) -> MailboxResult {
    MailboxResult::Refused(ErrorReport {
        retry_after_ms: Some(RETRY_AFTER_MS),
        ..ErrorReport::new(ErrorCode::RateLimited, detail)
    })
}
