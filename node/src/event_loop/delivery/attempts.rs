//! How often messages left for their peers since the node started. Only in memory: a write for each attempt
//! would cost more than sending it.

use hashlink::LruCache;
use peer_protocol::id::MessageId;
use peer_protocol::time::Timestamp;

/// Most messages that are remembered.
const MAX_REMEMBERED: usize = 16_384;

/// Messages that links were given.
pub(super) struct Attempts(LruCache<MessageId, Attempt>);

/// How often one left, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Default for Attempts {
    fn default() -> Self {
        Self(LruCache::new(MAX_REMEMBERED))
    }
}

impl Attempts {
    /// A link was given these; they have not left yet.
    pub(super) fn handed(&mut self, ids: &[MessageId]) {
        for id in ids {
            self.0.entry(*id).or_insert_with(Attempt::default);
        }
    }

    /// These left. Returns how many of them had left before.
    pub(super) fn transmitted(&mut self, ids: &[MessageId], now: Timestamp) -> u64 {
        let mut again = 0;
        for id in ids {
            let attempt = self.0.entry(*id).or_insert_with(Attempt::default);
            again += u64::from(attempt.count > 0);
            *attempt = Attempt { count: attempt.count.saturating_add(1), last: now };
        }
        again
    }

    /// What is remembered of one.
    pub(super) fn of(&self, id: &MessageId) -> Option<Attempt> {
        self.0.peek(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn each_time_a_message_leaves_counts_whichever_link_has_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let ids: Vec<_> = (0..MAX_REMEMBERED + 2).map(|_| MessageId::random(&mut rng)).collect();
        let mut attempts = Attempts::default();
        assert_eq!(attempts.of(&ids[0]), None);
        attempts.handed(&ids[..1]);
        assert_eq!(attempts.of(&ids[0]), Some(Attempt::default()));
        for millis in 1..4 {
            let again = attempts.transmitted(&ids[..1], Timestamp::from_millis(millis));
            assert_eq!(again, u64::from(millis > 1));
            attempts.handed(&ids[..1]);
        }
        let last = Timestamp::from_millis(3);
        assert_eq!(attempts.of(&ids[0]), Some(Attempt { count: 3, last }));
        attempts.handed(&ids[1..]);
        assert_eq!(attempts.of(&ids[0]), None, "of many the oldest is forgotten");
    }
}
