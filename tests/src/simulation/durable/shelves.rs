//! Where long contents lie that came ahead of their messages (§9.4): on the disks of their receivers.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::message::{Body, Message};

/// The contents at all nodes. They outlive crashes.
#[derive(Debug, Default)]
pub struct Shelves(Mutex<BTreeSet<(usize, MessageId)>>);

impl Shelves {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(usize, MessageId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A content has arrived whole at node `at`.
    pub(super) fn put(&self, at: usize, id: MessageId) {
        self.lock().insert((at, id));
    }

    /// Whether it lies there.
    #[must_use]
    pub fn has(&self, at: usize, id: MessageId) -> bool {
        self.lock().contains(&(at, id))
    }

    /// It is gone: its message was taken, or none came.
    pub(super) fn remove(&self, at: usize, id: MessageId) {
        self.lock().remove(&(at, id));
    }

    /// Those at node `at`.
    pub(super) fn of(&self, at: usize) -> Vec<MessageId> {
        self.lock().iter().filter(|(node, _)| *node == at).map(|(_, id)| *id).collect()
    }
}

/// The transfer that brings the content of a message.
pub(super) fn transfer_of(message: &Message) -> Option<TransferId> {
    match message.decode() {
        Ok(Body::StatusReport(report)) => report.transfer,
        _ => None,
    }
}
