//! Which bucket a version 1.0 message counts against (§10).

use std::sync::Arc;

use peer_protocol::rate_limit::{LimitHits, PeerLimiter, RateClass, RateLimited, RateProfile};
use peer_protocol::time::Instant;

/// Most answers that are let in for nothing.
const MAX_OWED: u32 = 4096;

/// The peer's buckets, and how many answers it owes.
#[derive(Default)]
pub(super) struct Limiter {
    buckets: PeerLimiter,
    owed: u32,
}

/// What a message is, as far as rates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Counts against a class.
    Asks(RateClass),
    /// An answer: costs nothing, as long as something was asked.
    Answers,
}

impl Limiter {
    /// What is refused is counted in `hits`.
    pub(super) fn counting(hits: Arc<LimitHits>) -> Self {
        Self { buckets: PeerLimiter::counting(hits), owed: 0 }
    }

    /// Takes a token for a message of the peer.
    pub(super) fn take(
        &mut self,
        profile: &RateProfile,
        msg_type: &str,
        now: Instant,
    ) -> Result<(), RateLimited> {
        match kind(msg_type) {
            Kind::Asks(class) => self.buckets.take(profile, class, now),
            Kind::Answers if self.owed > 0 => {
                self.owed -= 1;
                Ok(())
            }
            // An answer to nothing is no answer, and checking it costs as much as a task.
            Kind::Answers => self.buckets.take(profile, RateClass::Task, now),
        }
    }

    /// A message was sent; the peer may answer it for nothing.
    pub(super) fn asked(&mut self, msg_type: &str) {
        if kind(msg_type) != Kind::Answers {
            self.owed = (self.owed + 1).min(MAX_OWED);
        }
    }
}

fn kind(msg_type: &str) -> Kind {
    match msg_type {
        "handshake" => Kind::Asks(RateClass::Handshake),
        "heartbeat" => Kind::Asks(RateClass::Heartbeat),
        "discovery" | "capability_query" => Kind::Asks(RateClass::Discovery),
        "task_result"
        | "wake_up_ack"
        | "heartbeat_ack"
        | "discovery_response"
        | "capability_response" => Kind::Answers,
        // Tasks, reports, wake-ups, and whatever is not known here.
        _ => Kind::Asks(RateClass::Task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(limiter: &mut Limiter, msg_type: &str) -> usize {
        let profile = RateProfile::default();
        (0..1000).filter(|_| limiter.take(&profile, msg_type, Instant::default()).is_ok()).count()
    }

    #[test]
    fn each_type_has_the_burst_of_its_class() {
        for (msg_type, burst) in
            [("handshake", 10), ("heartbeat", 120), ("task_delegate", 60), ("whatever", 60)]
        {
            assert_eq!(let_in(&mut Limiter::default(), msg_type), burst, "{msg_type}");
        }
    }

    #[test]
    fn answers_cost_nothing_only_if_something_was_asked() {
        let mut limiter = Limiter::default();
        for _ in 0..5 {
            limiter.asked("task_delegate");
            limiter.asked("heartbeat_ack");
        }
        assert_eq!(let_in(&mut limiter, "task_result"), 60 + 5);
        assert_eq!(let_in(&mut limiter, "task_delegate"), 0);
        assert_eq!(let_in(&mut limiter, "heartbeat"), 120);
    }
}
