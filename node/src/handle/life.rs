//! Whether peers live, and waking them.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::sync::oneshot;

use super::{Command, Handle, Wake, outgoing};
use crate::error::NodeError;
use crate::model::{Awoken, Life, RestartAttempt, Restarted, WakeResult, Woken};
use crate::wake::AgentKey;

/// Pause before the second attempt of a restart; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

impl Handle {
    /// Asks whether `peer` lives, node and agent told apart (`check_peer_alive`).
    ///
    /// # Errors
    /// [`NodeError`] if the peer is unknown. A peer that does not answer is an answer: not alive.
    pub async fn alive(&self, peer: &str, timeout: Duration) -> Result<Life, NodeError> {
        let heartbeat = outgoing(peer, timeout, ());
        self.ask(|reply| Command::Alive(heartbeat, reply)).await?
    }

    /// Asks `peer` to wake its agent (`wake_up_peer`), and waits for what its node says: at best that the
    /// agent is awake, which it has proved then.
    ///
    /// # Errors
    /// [`NodeError`] if its node does not answer.
    pub async fn wake(
        &self,
        peer: &str,
        reason: String,
        timeout: Duration,
    ) -> Result<Woken, NodeError> {
        self.wake_attempt(peer, reason, 1, timeout).await
    }

    /// Checks `peer` and, unless its agent is there, wakes it with up to `attempts` attempts and growing
    /// pauses (`restart_peer`). An agent that gave no word is looked for after each attempt, and before the
    /// next.
    ///
    /// # Errors
    /// [`NodeError`] if the peer is unknown. Attempts that fail are part of the answer.
    pub async fn restart(
        &self,
        peer: &str,
        reason: String,
        attempts: u32,
        timeout: Duration,
    ) -> Result<Restarted, NodeError> {
        let before = self.alive(peer, timeout).await?;
        let mut ok = before.alive && before.agent;
        let mut made: Vec<RestartAttempt> = Vec::new();
        let mut pause = Duration::ZERO;
        for attempt in 1..=attempts {
            if ok {
                break;
            }
            tokio::time::sleep(pause).await;
            if attempt > 1 {
                // It may have come meanwhile; a second start would disturb it.
                let life = self.alive(peer, timeout).await?;
                ok = life.alive && life.agent;
                if let Some(last) = made.last_mut() {
                    last.after = Some(life);
                }
                if ok {
                    break;
                }
            }
            let begun = Instant::now();
            let waited = self.wake_attempt(peer, reason.clone(), attempt, timeout).await;
            let (outcome, detail) = match waited {
                Ok(woken) => (woken.outcome, woken.detail),
                Err(error) => (WakeResult::Failed, error.to_string()),
            };
            let after = match outcome {
                WakeResult::HandedToAgent => Some(self.alive(peer, timeout).await?),
                _ => None,
            };
            ok = match &after {
                Some(life) => life.may_have_agent(),
                None => outcome == WakeResult::Awake,
            };
            made.push(RestartAttempt {
                attempt,
                pause_ms: millis(pause),
                took_ms: millis(begun.elapsed()),
                woken: outcome.is_woken(),
                outcome,
                detail,
                after,
            });
            if outcome == WakeResult::Refused {
                break;
            }
            pause = next_pause(attempt);
        }
        Ok(Restarted { ok, before, attempts: made })
    }

    /// This node's agent gives back the nonce that it was handed when it was woken: it is awake. Each counts
    /// once, and for as long as the rule that woke it says.
    ///
    /// # Errors
    /// [`NodeError::NoSuchWake`] if nobody waits for it.
    pub async fn awake(&self, nonce: &str) -> Result<Awoken, NodeError> {
        let nonce = nonce.to_owned();
        self.ask(|reply| Command::Awake(nonce, reply)).await?
    }

    /// Waits until the agent is to be asked whether it is there, and answers the last question; none if it is
    /// not asked within `wait`.
    pub(crate) async fn probe(
        &self,
        agent: AgentKey,
        answer: Option<u64>,
        wait: Duration,
    ) -> Result<Option<u64>, NodeError> {
        let (question, asked) = oneshot::channel();
        let probe = Command::Probe { agent, answer, question };
        self.commands.send(probe).await.map_err(|_| NodeError::Stopped)?;
        match tokio::time::timeout(wait, asked).await {
            Ok(Ok(question)) => Ok(Some(question)),
            // Another one waits in its place, or the node stops.
            Ok(Err(_)) if self.commands.is_closed() => Err(NodeError::Stopped),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    async fn wake_attempt(
        &self,
        peer: &str,
        reason: String,
        attempt: u32,
        timeout: Duration,
    ) -> Result<Woken, NodeError> {
        let wake = outgoing(peer, timeout, Wake { reason, attempt });
        self.ask(|reply| Command::Wake(wake, reply)).await?
    }
}

/// The pause after an attempt: a quarter more or less, so that several who wake do not keep step.
fn next_pause(attempt: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(MAX_PAUSE);
    doubled.mul_f64(rand::rng().random_range(0.75..=1.25))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for (attempt, middle) in [(1, 500), (2, 1000), (3, 2000), (7, 30_000), (100, 30_000)] {
            let pauses: Vec<_> = (0..100).map(|_| next_pause(attempt).as_millis()).collect();
            assert!(pauses.iter().all(|pause| (middle * 3 / 4..=middle * 5 / 4).contains(pause)));
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{attempt}");
        }
    }
}
