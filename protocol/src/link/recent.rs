//! Message ids received lately, so that a retransmission is acknowledged but not handed over again.

use hashlink::LinkedHashSet;

use crate::id::MessageId;
use crate::limits::MAX_REMEMBERED_IDS;

/// The newest ids; the oldest are forgotten first.
#[derive(Default)]
pub(super) struct RecentIds {
    ids: LinkedHashSet<MessageId>,
}

impl RecentIds {
    /// Remembers `id`; returns whether it is new.
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
        let new = self.ids.insert(id);
        if self.ids.len() > MAX_REMEMBERED_IDS {
            self.ids.pop_front();
        }
        new
    }

    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.ids.contains(&id)
    }
}
