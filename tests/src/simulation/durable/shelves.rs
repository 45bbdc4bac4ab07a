//! Where long contents lie that came ahead of their messages (§9.4): on the disks of their receivers.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::message::{Body, Message};

/// The contents at all nodes. They outlive crashes.
#[derive(Debug, Default)]
pub struct Shelves(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    here: BTreeSet<(usize, MessageId)>,
    /// Those that were lately asked for: their messages are on the way to the disk.
    asked: BTreeSet<(usize, MessageId)>,
}

impl Shelves {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A content has arrived whole at node `at`.
    pub(super) fn put(&self, at: usize, id: MessageId) {
        self.lock().here.insert((at, id));
    }

    /// Whether it lies there.
    #[must_use]
    pub fn has(&self, at: usize, id: MessageId) -> bool {
        self.lock().here.contains(&(at, id))
    }

    /// The same when its message has come: it stays until that is on disk, or node `at` crashes.
    #[must_use]
    pub fn ask(&self, at: usize, id: MessageId) -> bool {
        let mut contents = self.lock();
        let here = contents.here.contains(&(at, id));
        if here {
            contents.asked.insert((at, id));
        }
        here
    }

    /// Node `at` has crashed, and forgets what was asked for.
    pub(super) fn crashed(&self, at: usize) {
        self.lock().asked.retain(|(node, _)| *node != at);
    }

    /// It is gone: its message was taken, or none came.
    pub(super) fn remove(&self, at: usize, id: MessageId) {
        let mut contents = self.lock();
        contents.here.remove(&(at, id));
        contents.asked.remove(&(at, id));
    }

    /// Those at node `at` that nobody has asked for.
    pub(super) fn idle(&self, at: usize) -> Vec<MessageId> {
        let contents = self.lock();
        let idle = contents.here.difference(&contents.asked);
        idle.filter(|(node, _)| *node == at).map(|(_, id)| *id).collect()
    }
}

/// The transfer that brings the content of a message.
pub(super) fn transfer_of(message: &Message) -> Option<TransferId> {
    match message.decode() {
        Ok(Body::StatusReport(report)) => report.transfer,
        _ => None,
    }
}
