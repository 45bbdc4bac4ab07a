//! What is not on disk yet.

use peer_protocol::mailbox::Change;

/// Most bytes that wait for a disk that fails, before nothing more is kept for others.
const MAX_BYTES: usize = 16 << 20;
/// What a change takes beside its key and its value.
const OVERHEAD: usize = 64;

/// Changes, in order, and how much memory they take.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    changes: Vec<Change>,
    bytes: usize,
}

impl Unwritten {
    /// Whether there is too much of it already.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= MAX_BYTES
    }

    pub(super) fn as_slice(&self) -> &[Change] {
        &self.changes
    }

    pub(super) fn push(&mut self, change: Change) {
        let value = change.value.as_ref().map_or(0, |value| value.len());
        self.bytes += change.key.len() + value + OVERHEAD;
        self.changes.push(change);
    }

    /// All of it is on disk.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Extend<Change> for Unwritten {
    fn extend<T: IntoIterator<Item = Change>>(&mut self, changes: T) {
        changes.into_iter().for_each(|change| self.push(change));
    }
}
