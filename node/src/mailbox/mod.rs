//! The mailbox (`docs/PROTOCOL.md` §18) of a node: what it keeps for others, where its own messages wait,
//! and what it puts for those that it does not reach.
//!
//! All of it is decided in one thread of its own, which may wait for the disk and does the cryptography.
//!
//! - `message`: what goes in and comes out.
//! - `worker`: the thread; `keeping`, `receiving`, `sending`: its three parts.
//! - `disk`: where its rows are; `vault`: that of deleted prekeys nothing stays there.
//! - `known`: whose mailbox nodes are where.

mod disk;
mod keeping;
mod known;
mod message;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;
mod vault;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use peer_behaviours::Clock;
use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::error::ErrorCode;
use peer_protocol::identity::Identity;
use peer_protocol::message::{ErrorReport, MailboxResult};
use tokio::sync::mpsc;

pub(crate) use self::disk::{Disk, StoredRows};
pub(crate) use self::message::{Asker, Input, Output, Settled, Taking};
use self::worker::Worker;
use crate::config::{MailboxConfig, ServeMailbox};
use crate::error::StartError;

/// Most requests of others that wait for the disk.
const MAX_REQUESTS: usize = 256;
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
    requests: Arc<AtomicUsize>,
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
        let requests = Arc::new(AtomicUsize::new(0));
        let worker = Worker::new(parts, outputs, Arc::clone(&requests)).map_err(failed)?;
        let put = Arc::clone(&worker.put_any);
        let thread = std::thread::Builder::new().name("mailbox".to_owned());
        // It may hang in the disk; whoever stops does not wait for it.
        let started = thread.spawn(move || worker.run(&receiver));
        started.map_err(|error| failed(error.to_string()))?;
        Ok((Self { inputs, requests, put, serves }, outgoing))
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

    /// A request of another peer's.
    ///
    /// # Errors
    /// The answer, if it is refused at once.
    pub(crate) fn request(&self, input: Input) -> Result<(), Box<MailboxResult>> {
        if !self.serves {
            let detail = "this node is nobody's mailbox";
            let report = ErrorReport::new(ErrorCode::InvalidState, detail);
            return Err(Box::new(MailboxResult::Refused(report)));
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(Box::new(busy("too many requests wait")));
        }
        self.tell(input);
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
