//! What version 1.0 peers call their messages. Version 1.0 has no message ids of its own, so peers
//! put any text there, or none.

use std::collections::{HashMap, VecDeque};

use peer_protocol::id::MessageId;

/// Most messages remembered; the oldest is forgotten first.
const MAX_IDS: usize = 8192;
/// Longest id remembered, in bytes.
const MAX_LEN: usize = 256;

/// The peers' ids by this node's.
#[derive(Debug, Default)]
pub(in crate::event_loop) struct ForeignIds {
    ids: HashMap<MessageId, Option<String>>,
    order: VecDeque<MessageId>,
}

impl ForeignIds {
    /// Remembers what the peer calls the message that is `id` here.
    pub(super) fn remember(&mut self, id: MessageId, theirs: Option<&str>) {
        let theirs = theirs.filter(|text| text.len() <= MAX_LEN).map(str::to_owned);
        if self.ids.insert(id, theirs).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// What the peer calls a message, if it calls it anything.
    pub(super) fn theirs(&self, id: MessageId) -> Option<String> {
        match self.ids.get(&id) {
            Some(theirs) => theirs.clone(),
            None => Some(id.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn ids_are_remembered_within_bounds() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut ids = ForeignIds::default();
        let first = MessageId::random(&mut rng);
        assert_eq!(ids.theirs(first), Some(first.to_string()));
        ids.remember(first, Some("task-17"));
        assert_eq!(ids.theirs(first), Some("task-17".to_owned()));
        ids.remember(first, Some(&"x".repeat(MAX_LEN + 1)));
        assert_eq!(ids.theirs(first), None);
        for _ in 0..MAX_IDS {
            ids.remember(MessageId::random(&mut rng), None);
        }
        assert_eq!((ids.ids.len(), ids.order.len()), (MAX_IDS, MAX_IDS));
        assert_eq!(ids.theirs(first), Some(first.to_string()));
    }
}
