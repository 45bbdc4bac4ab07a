//! Requests of a peer that this side cannot call. What this side has to say goes into the answer to the
//! peer's own request, which therefore may wait for a while.

use std::time::Duration;

use peer_protocol::link::{ExchangeId, SendFailure};
use peer_protocol::time::{Instant, Now};

use super::Link;

/// How long the answer to a question waits for something to say. Most HTTP clients give up after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);
/// Most requests of one peer that wait.
const MAX_HELD: usize = 8;

impl Link {
    /// Answers a request that was taken: with what there is to say, at once or soon, where the peer cannot
    /// be called itself.
    pub(super) fn answer_later(&mut self, exchange: ExchangeId, msg_type: &str, now: Now) {
        if self.connected {
            return self.answer(exchange, None);
        }
        let patience = if is_question(msg_type) { PATIENCE } else { Duration::ZERO };
        self.held.push_back((exchange, now.instant + patience));
        if self.held.len() > MAX_HELD
            && let Some((oldest, _)) = self.held.pop_front()
        {
            self.answer(oldest, None);
        }
    }

    /// Says what there is to say, and lets those go that have waited long enough.
    pub(super) fn answer_held(&mut self, now: Now) {
        while !self.held.is_empty() {
            let Some((message, entry, _)) = self.seal_next(now) else { break };
            if let Some((exchange, _)) = self.held.pop_front() {
                self.answer(exchange, Some(&message));
            }
            // Nobody tells whether it arrived.
            self.failed(entry.message.id, SendFailure::Unknown);
        }
        let (over, waiting) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, until)| *until <= now.instant);
        self.held = waiting;
        self.let_go(over);
    }

    /// Nobody waits for an answer to this request any more: what there is to say is for another.
    pub(in crate::legacy) fn hung_up(&mut self, exchange: ExchangeId) {
        self.held.retain(|(held, _)| *held != exchange);
    }

    /// Nothing will be said.
    pub(super) fn release_held(&mut self) {
        let all = std::mem::take(&mut self.held);
        self.let_go(all);
    }

    fn let_go(&mut self, held: std::collections::VecDeque<(ExchangeId, Instant)>) {
        for (exchange, _) in held {
            self.answer(exchange, None);
        }
    }

    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.iter().map(|(_, until)| *until).min()
    }
}

/// Whether a message of this type wants an answer.
fn is_question(msg_type: &str) -> bool {
    matches!(msg_type, "task_delegate" | "wake_up" | "heartbeat")
}
