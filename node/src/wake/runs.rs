//! Wake-ups under way: one run at a time for each rule, shared by all who ask meanwhile.
//!
//! A run hands out one nonce. It ends well when that comes back in time, and not before: that an adapter has
//! done its work says nothing of the agent. Time is passed in; what is to be done comes out as [`Action`]s.

use std::collections::VecDeque;
use std::time::Duration;

use libp2p::PeerId;
use peer_protocol::id::MessageId;
use peer_protocol::message::{AgentLife, WakeOutcome};
use peer_protocol::time::Instant;
use subtle::ConstantTimeEq as _;

use super::{AdapterError, Call, Nonce};
use crate::config::{Adapter, WakeRule, format_duration};

/// Most who wait for one run.
const MAX_WAITERS: usize = 4096;
/// How long a run waits for what an earlier one started: a process that was killed a moment ago may not have
/// been noticed yet.
const BUSY: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_secs(3600);

/// Who asked, with which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) peer: PeerId,
    pub(crate) message: MessageId,
}

/// A wake-up that a rule allows.
#[derive(Debug)]
pub(crate) struct WakeUp {
    pub(crate) waiter: Waiter,
    /// With a fresh nonce, in case that a run begins.
    pub(crate) call: Call,
    /// What is known of the agent, just now.
    pub(crate) life: AgentLife,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Start the adapter of a rule.
    Start { rule: usize, run: u64, call: Call, timeout: Duration, replaces: bool },
    /// The agent is awake: what the run started is left alone from now on.
    Release { run: u64 },
    /// What the run started, and its process group, are stopped.
    Stop { run: u64 },
    /// Answer a wake-up.
    Answer { waiter: Waiter, outcome: WakeOutcome, detail: String },
}

/// What the agent is told of a wake-up, by the message in its inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tell {
    /// The message, and the nonce to give back.
    WithNonce(Nonce),
    /// The message alone: nobody waits for a proof.
    Plainly,
    /// Nothing: it is told of an earlier one of the same peer.
    Nothing,
}

/// A run that its agent has ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The rule, from 0.
    pub(crate) rule: usize,
    /// From the run's beginning.
    pub(crate) took: Duration,
    /// Who asked, each once.
    pub(crate) asked: Vec<PeerId>,
}

#[derive(Debug)]
struct Run {
    number: u64,
    call: Call,
    begun: Instant,
    /// Until when the nonce counts.
    deadline: Instant,
    stage: Stage,
    waiters: Vec<Waiter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The message lies in the inbox for an agent that is attached, or (adapter `client`) may come.
    Told,
    /// What an earlier run started may still end.
    Busy { until: Instant },
    /// The adapter is started then.
    Due { at: Instant },
    /// The adapter was started.
    Started,
}

#[derive(Debug)]
struct Rule {
    config: WakeRule,
    run: Option<Run>,
    /// The run whose program has not ended.
    program: Option<u64>,
    /// When the adapter was started within the last hour, the oldest first.
    starts: VecDeque<Instant>,
    /// Whether the next start replaces what is stuck.
    stuck: bool,
}

/// All runs.
#[derive(Debug)]
pub(crate) struct Runs {
    rules: Vec<Rule>,
    numbers: u64,
    actions: Vec<Action>,
    stopped: bool,
}

impl Runs {
    pub(crate) fn new(rules: &[WakeRule]) -> Self {
        let rule = |config: &WakeRule| Rule {
            config: config.clone(),
            run: None,
            program: None,
            starts: VecDeque::new(),
            stuck: false,
        };
        let rules = rules.iter().map(rule).collect();
        Self { rules, numbers: 0, actions: Vec::new(), stopped: false }
    }

    /// What is to be done now.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Somebody whom `rule` allows asks.
    pub(crate) fn wake_up(&mut self, rule: usize, wake: WakeUp, now: Instant) -> Tell {
        let WakeUp { waiter, call, life } = wake;
        let (index, Self { rules, numbers, actions, stopped }) = (rule, self);
        let Some(rule) = rules.get_mut(index).filter(|_| !*stopped) else {
            let detail = "its node is stopping".to_owned();
            actions.push(Action::Answer { waiter, outcome: WakeOutcome::NoAgent, detail });
            return Tell::Plainly;
        };
        if let Some(run) = &mut rule.run {
            return run.join(waiter, actions);
        }
        let there = matches!(life, AgentLife::Attached | AgentLife::Unknown);
        *numbers += 1;
        let mut run = Run {
            number: *numbers,
            call,
            begun: now,
            deadline: now + rule.config.timeout,
            stage: Stage::Told,
            waiters: vec![waiter],
        };
        rule.stuck = life == AgentLife::Unresponsive;
        if !there && rule.config.adapter != Adapter::Client {
            match rule.plan(now) {
                Ok(stage) => run.stage = stage,
                Err(detail) => {
                    run.answer(WakeOutcome::NoAgent, &detail, actions);
                    return Tell::Plainly;
                }
            }
        }
        let nonce = run.call.nonce;
        rule.run = Some(run);
        rule.step(index, &|| there, now, actions);
        Tell::WithNonce(nonce)
    }

    /// An agent gives a nonce back.
    pub(crate) fn awake(&mut self, nonce: &Nonce, now: Instant) -> Option<Proven> {
        let mut found = None;
        // All are compared, so that time tells nothing.
        for (index, rule) in self.rules.iter().enumerate() {
            let run = rule.run.as_ref().filter(|run| run.is_waiting() || run.deadline > now);
            if run.is_some_and(|run| bool::from(run.call.nonce.ct_eq(nonce))) {
                found = Some(index);
            }
        }
        let index = found?;
        let rule = self.rules.get_mut(index)?;
        let run = rule.run.take()?;
        if run.stage == Stage::Started {
            self.actions.push(Action::Release { run: run.number });
        }
        let took = now.since(run.begun);
        let detail = format!("its agent proved to be awake after {} ms", took.as_millis());
        run.answer(WakeOutcome::Awake, &detail, &mut self.actions);
        let mut asked: Vec<_> = run.waiters.iter().map(|waiter| waiter.peer).collect();
        asked.sort_unstable();
        asked.dedup();
        Some(Proven { rule: index, took, asked })
    }

    /// What a run started has ended.
    pub(crate) fn ended(&mut self, number: u64, result: &Result<(), AdapterError>) {
        for rule in &mut self.rules {
            if rule.program == Some(number) {
                rule.program = None;
            }
            let own = |run: &Run| run.number == number && run.stage == Stage::Started;
            let Err(error) = result else { continue };
            if let Some(run) = rule.run.take_if(|run| own(run)) {
                let detail = format!("its agent could not be woken: {error}");
                run.answer(WakeOutcome::NoAgent, &detail, &mut self.actions);
            }
        }
    }

    /// Nothing is begun any more, and nobody waits.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        for rule in &mut self.rules {
            let Some(run) = rule.run.take() else { continue };
            if run.stage == Stage::Started {
                self.actions.push(Action::Stop { run: run.number });
            }
            run.answer(WakeOutcome::NoAgent, "its node is stopping", &mut self.actions);
        }
    }

    /// Time has passed; `there` tells whether an agent is attached.
    pub(crate) fn tick(&mut self, there: impl Fn() -> bool, now: Instant) {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.step(index, &there, now, &mut self.actions);
        }
    }
}

impl Rule {
    /// How a run whose agent is not there goes on.
    fn plan(&mut self, now: Instant) -> Result<Stage, String> {
        while self.starts.front().is_some_and(|start| now.since(*start) >= HOUR) {
            self.starts.pop_front();
        }
        if let Some(oldest) = self.starts.front()
            && self.starts.len() >= self.config.max_per_hour
        {
            let wait = Duration::from_secs(HOUR.saturating_sub(now.since(*oldest)).as_secs() + 1);
            return Err(format!(
                "its agent was woken {} times within an hour, which is the limit; try again in {}",
                self.starts.len(),
                format_duration(wait)
            ));
        }
        if self.program.is_some() && !self.replaces() {
            return Ok(Stage::Busy { until: now + BUSY });
        }
        Ok(self.due(now))
    }

    /// The next start, after the cooldown.
    fn due(&self, now: Instant) -> Stage {
        let last = self.starts.back();
        Stage::Due { at: last.map_or(now, |start| (*start + self.config.cooldown).max(now)) }
    }

    /// Whether a start does not wait for what runs: it is stuck, or the operator wants it so.
    const fn replaces(&self) -> bool {
        self.stuck || matches!(self.config.adapter, Adapter::Command { replace: true, .. })
    }

    fn step(
        &mut self,
        index: usize,
        there: &impl Fn() -> bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut run) = self.run.take() else { return };
        let adapter = self.config.adapter != Adapter::Client;
        // An agent that was told and is gone cannot prove anything any more.
        if run.stage == Stage::Told && adapter && !there() {
            self.stuck = false;
            match self.plan(now) {
                Ok(stage) => run.stage = stage,
                Err(detail) => return run.answer(WakeOutcome::NoAgent, &detail, actions),
            }
        }
        // One that has come meanwhile finds the message in its inbox; a second one would only disturb it.
        if run.is_waiting() && !self.stuck && there() {
            run.stage = Stage::Told;
            run.deadline = now + self.config.timeout;
        }
        if let Stage::Busy { until } = run.stage {
            if self.program.is_none() {
                run.stage = self.due(now);
            } else if until <= now {
                let detail = "what an earlier wake-up started still runs, but no agent is attached; it \
                              will be told when it comes";
                return run.answer(WakeOutcome::NoAgent, detail, actions);
            }
        }
        if let Stage::Due { at } = run.stage
            && at <= now
        {
            if let Some(old) = self.program.replace(run.number) {
                actions.push(Action::Stop { run: old });
            }
            self.starts.push_back(now);
            run.stage = Stage::Started;
            run.deadline = now + self.config.timeout;
            actions.push(Action::Start {
                rule: index,
                run: run.number,
                call: run.call.clone(),
                timeout: self.config.timeout,
                replaces: self.stuck,
            });
        }
        if run.is_waiting() || run.deadline > now {
            self.run = Some(run);
            return;
        }
        if run.stage == Stage::Started {
            actions.push(Action::Stop { run: run.number });
        }
        let within = format_duration(self.config.timeout);
        // One that was stuck when it began was not told of anything.
        let (outcome, what) = if there() && !self.stuck {
            (WakeOutcome::HandedToAgent, "an attached agent was told")
        } else if run.stage == Stage::Told {
            (WakeOutcome::NoAgent, "no agent has come")
        } else {
            (WakeOutcome::NoAgent, "what wakes its agent was done")
        };
        run.answer(
            outcome,
            &format!("{what}, but it has not proved within {within} to be awake"),
            actions,
        );
    }
}

impl Run {
    /// Whether it waits for its turn: until then no time of the agent's runs out.
    const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Due { .. } | Stage::Busy { .. })
    }

    fn join(&mut self, waiter: Waiter, actions: &mut Vec<Action>) -> Tell {
        if self.waiters.len() >= MAX_WAITERS {
            let detail = "too many wait for its agent already".to_owned();
            actions.push(Action::Answer { waiter, outcome: WakeOutcome::NoAgent, detail });
            return Tell::Nothing;
        }
        let first = !self.waiters.iter().any(|other| other.peer == waiter.peer);
        self.waiters.push(waiter);
        if first { Tell::WithNonce(self.call.nonce) } else { Tell::Nothing }
    }

    fn answer(&self, outcome: WakeOutcome, detail: &str, actions: &mut Vec<Action>) {
        let answer = |waiter: &Waiter| Action::Answer {
            waiter: *waiter,
            outcome,
            detail: detail.to_owned(),
        };
        actions.extend(self.waiters.iter().map(answer));
    }
}

#[cfg(test)]
mod tests;
