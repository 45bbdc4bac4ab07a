//! Whether agents that are attached are there: each is asked, and has to answer in time.
//!
//! A question that came before the one who asks is no answer for him: whoever is said to be alive has
//! answered after it was asked for.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use peer_protocol::message::AgentLife;
use peer_protocol::time::Instant;
use tokio::sync::oneshot;

/// How long an agent has for its answer.
pub(crate) const PROBE: Duration = Duration::from_millis(1500);
/// Most agents that can be asked.
const MAX_AGENTS: usize = 256;
/// Most who wait for one round.
const MAX_ASKING: usize = 1024;

/// What an agent calls itself towards its node, chosen at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AgentKey([u8; 16]);

impl AgentKey {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for AgentKey {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Where the next question for an agent goes.
pub(crate) type Question = oneshot::Sender<u64>;

/// Who of the agents can be asked, and who of all cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attached {
    /// Parts of this very program: there while the node is.
    pub(crate) programs: usize,
    /// Those that cannot be asked.
    pub(crate) silent: usize,
    /// Those that can.
    pub(crate) asked: Vec<AgentKey>,
}

/// Questions under way, for callers `T`.
#[derive(Debug)]
pub(crate) struct Probes<T> {
    waiting: HashMap<AgentKey, Question>,
    round: Option<Round<T>>,
    /// Callers for the next round.
    next: Vec<T>,
    numbers: u64,
}

#[derive(Debug)]
struct Round<T> {
    number: u64,
    asking: Vec<T>,
    /// Who was asked, and may still answer.
    asked: Vec<AgentKey>,
    deadline: Instant,
}

/// What a step settled.
#[derive(Debug)]
pub(crate) struct Settled<T> {
    /// These know it now.
    pub(crate) told: Vec<(T, AgentLife)>,
    /// These have to ask (anew), together.
    pub(crate) again: Vec<T>,
}

impl<T> Default for Settled<T> {
    fn default() -> Self {
        Self { told: Vec::new(), again: Vec::new() }
    }
}

impl<T> Settled<T> {
    fn all(callers: Vec<T>, life: AgentLife) -> Self {
        let told = callers.into_iter().map(|caller| (caller, life)).collect();
        Self { told, again: Vec::new() }
    }
}

impl<T> Default for Probes<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), round: None, next: Vec::new(), numbers: 0 }
    }
}

impl<T> Probes<T> {
    /// Finds out for `callers` whether one of the agents is there. What needs no question is settled at once.
    pub(crate) fn ask(
        &mut self,
        mut callers: Vec<T>,
        attached: Attached,
        now: Instant,
    ) -> Settled<T> {
        if attached.programs > 0 {
            return Settled::all(callers, AgentLife::Attached);
        }
        if attached.asked.is_empty() {
            let unknown = attached.silent > 0;
            return Settled::all(
                callers,
                if unknown { AgentLife::Unknown } else { AgentLife::Absent },
            );
        }
        if self.round.is_some() {
            let room = MAX_ASKING.saturating_sub(self.next.len()).min(callers.len());
            let surplus = callers.split_off(room);
            self.next.append(&mut callers);
            return Settled::all(surplus, AgentLife::Unknown);
        }
        self.numbers += 1;
        let number = self.numbers;
        for key in &attached.asked {
            if let Some(question) = self.waiting.remove(key) {
                // One that has hung up meanwhile does not answer.
                let _ = question.send(number);
            }
        }
        let (asking, asked) = (callers, attached.asked);
        self.round = Some(Round { number, asking, asked, deadline: now + PROBE });
        Settled::default()
    }

    /// An agent waits for its next question, and answers the last one; gives the question back if there are
    /// too many agents.
    pub(crate) fn poll(
        &mut self,
        key: AgentKey,
        answer: Option<u64>,
        question: Question,
    ) -> Result<Settled<T>, Question> {
        self.waiting.retain(|_, question| !question.is_closed());
        if self.waiting.len() >= MAX_AGENTS && !self.waiting.contains_key(&key) {
            return Err(question);
        }
        let round = self.round.as_ref().filter(|round| round.asked.contains(&key));
        match round.map(|round| round.number) {
            Some(number) if answer == Some(number) => {
                self.waiting.insert(key, question);
                Ok(self.settle(AgentLife::Attached))
            }
            Some(number) => {
                let _ = question.send(number);
                Ok(Settled::default())
            }
            None => {
                self.waiting.insert(key, question);
                Ok(Settled::default())
            }
        }
    }

    /// Time has passed; `attached` is who is there now.
    pub(crate) fn tick(&mut self, attached: impl FnOnce() -> Attached, now: Instant) -> Settled<T> {
        let Some(round) = &mut self.round else { return Settled::default() };
        let attached = attached();
        round.asked.retain(|key| attached.asked.contains(key));
        if attached.programs > 0 {
            return self.settle(AgentLife::Attached);
        }
        let none = round.asked.is_empty();
        if !none && round.deadline > now {
            return Settled::default();
        }
        self.settle(match (none, attached.silent > 0) {
            (_, true) => AgentLife::Unknown,
            (true, false) if attached.asked.is_empty() => AgentLife::Absent,
            // Those that were asked have left, and others have come.
            (true, false) => return self.ask_again(),
            (false, false) => AgentLife::Unresponsive,
        })
    }

    fn settle(&mut self, life: AgentLife) -> Settled<T> {
        let asking = self.round.take().map(|round| round.asking).unwrap_or_default();
        Settled { again: std::mem::take(&mut self.next), ..Settled::all(asking, life) }
    }

    fn ask_again(&mut self) -> Settled<T> {
        let mut again = self.round.take().map(|round| round.asking).unwrap_or_default();
        again.append(&mut self.next);
        Settled { told: Vec::new(), again }
    }
}

#[cfg(test)]
mod tests;
