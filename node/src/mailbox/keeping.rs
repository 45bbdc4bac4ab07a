//! What the node keeps for others.

use peer_protocol::crypto::PublicKey;
use peer_protocol::id::MessageId;
use peer_protocol::mailbox::Bodies;
use peer_protocol::message::Mailbox;

use super::budget::Share;
use super::worker::Worker;
use super::{Disk, Output, busy};

/// Bodies on disk. One that cannot be read is as good as lost for now.
struct OnDisk<'a>(&'a dyn Disk);

impl Bodies for OnDisk<'_> {
    fn read(&self, number: u64) -> Option<Vec<u8>> {
        self.0.body(number).unwrap_or_else(|error| {
            tracing::warn!(%error, number, "an item cannot be read");
            None
        })
    }
}

impl Worker {
    /// Decides on a request of another peer's.
    pub(super) fn keep(
        &mut self,
        from: &PublicKey,
        id: MessageId,
        request: &Mailbox,
        (serve, share): (bool, Share),
    ) {
        // What was put a moment ago is read from the disk.
        if matches!(request, Mailbox::Fetch(_) | Mailbox::Collect(_)) {
            self.flush();
        }
        let now = self.now();
        let Some(keeper) = &mut self.keeper else { return };
        let answer = if self.changes.is_full() {
            busy("the disk does not keep up")
        } else {
            let decided = keeper.handle(from, request, serve, now, &OnDisk(self.disk.as_ref()));
            self.changes.extend(decided.changes);
            decided.answer
        };
        let answer = Box::new(answer);
        self.told.push_back(Output::Reply { to: *from, in_reply_to: id, answer, share });
    }
}
