//! Peers that ask whether the agent lives, or want it woken (`docs/PROTOCOL.md` §7.4).

use std::collections::VecDeque;

use libp2p::PeerId;
use peer_behaviours::secure;
use peer_protocol::id::MessageId;
use peer_protocol::identity::Fingerprint;
use peer_protocol::message::{
    AgentLife, HeartbeatAck, Message, WakeOutcome, WakeUp as Body, WakeUpAck,
};
use peer_protocol::time::Instant;

use super::EventLoop;
use super::outgoing::ANSWER_LIFETIME;
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::model::{Awoken, Incoming};
use crate::room::Share;
use crate::wake::{
    Action, AgentKey, Call, Nonce, Probes, Question, Report, Runner, Runs, Settled, Tell, Waiter,
    WakeUp, rule_for,
};

/// Answers that are sent in a row: many who share a run hear of it at once, and a peer's queue is bounded.
const ANSWERS: usize = 64;
/// Most answers that wait to be sent.
const MAX_ANSWERS: usize = 8192;

/// The event loop's end of waking.
#[derive(Debug)]
pub(super) struct WakeState {
    answers: VecDeque<(Waiter, WakeUpAck)>,
    probes: Probes<Asking>,
    runs: Runs,
    runner: Runner,
}

impl WakeState {
    pub(super) fn new(config: &NodeConfig) -> Self {
        let rules = config.wake();
        let runner = Runner::new(rules, config.data_dir().cloned());
        let answers = VecDeque::new();
        Self { answers, probes: Probes::default(), runs: Runs::new(rules), runner }
    }

    /// The next adapter that has ended.
    pub(super) async fn next(&mut self) -> Option<Report> {
        self.runner.next().await
    }
}

/// A peer that needs to know whether the agent is there.
#[derive(Debug)]
enum Asking {
    Heartbeat { peer: PeerId, message: MessageId },
    Wake(Box<Waking>),
}

/// A wake-up, until it is known whether the agent is there.
#[derive(Debug)]
struct Waking {
    peer: PeerId,
    message: MessageId,
    body: Body,
    incoming: Incoming,
    share: Share,
    /// What the message takes of the room.
    len: usize,
    /// The rule that allows it.
    rule: Option<usize>,
}

impl EventLoop {
    pub(super) fn on_heartbeat(&mut self, peer: PeerId, message: MessageId) {
        self.look_at_agent(vec![Asking::Heartbeat { peer, message }]);
    }

    pub(super) fn on_wake_up(
        &mut self,
        peer: PeerId,
        message: &Message,
        body: Body,
        incoming: Incoming,
        share: Share,
    ) {
        // What version 1.0 signs does not say for whom it is (§13.5): that starts nothing here.
        let key = secure::key_of(&peer).filter(|_| incoming.encrypted);
        let rules = self.config.wake();
        let rule = key.and_then(|key| rule_for(rules, &*self.trust, &incoming.from, &key));
        if rule.is_none() && !rules.is_empty() {
            tracing::info!(from = %incoming.from, "no rule of [[wake]] allows this peer to wake the agent");
        }
        let (message, len) = (message.id, message.body.len());
        let waking = Waking { peer, message, body, incoming, share, len, rule };
        self.look_at_agent(vec![Asking::Wake(Box::new(waking))]);
    }

    fn look_at_agent(&mut self, asking: Vec<Asking>) {
        let now = self.clock.now().instant;
        let settled = self.wake.probes.ask(asking, self.inbox.attached(), now);
        self.on_settled(settled);
    }

    fn on_settled(&mut self, settled: Settled<Asking>) {
        for (asking, life) in settled.told {
            match asking {
                Asking::Heartbeat { peer, message } => self.tell_life(peer, message, life),
                Asking::Wake(waking) => self.wake_agent(*waking, life),
            }
        }
        if !settled.again.is_empty() {
            self.look_at_agent(settled.again);
        }
    }

    fn tell_life(&mut self, peer: PeerId, message: MessageId, life: AgentLife) {
        let now = self.clock.now().instant;
        let millis = |since| u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        let ack = HeartbeatAck {
            agent: if self.knows_agent_life(&peer) { life } else { life.plain() },
            uptime_ms: millis(self.started),
            agent_idle_ms: self.agent_seen.map(millis),
        };
        self.reply_to(peer, message, &ack.into());
    }

    fn wake_agent(&mut self, waking: Waking, life: AgentLife) {
        let Waking { peer, message, body, mut incoming, share, len, rule } = waking;
        let there = matches!(life, AgentLife::Attached | AgentLife::Unknown);
        let Some(rule) = rule else {
            self.take_in(incoming, share, len);
            let (outcome, detail) = match (there, life) {
                (true, _) => (WakeOutcome::HandedToAgent, "the attached agent was told"),
                (false, _) if !self.config.wake().is_empty() => (
                    WakeOutcome::Refused,
                    "no agent is there, and this node's operator does not let you wake one; it will be \
                     told when it comes",
                ),
                (false, AgentLife::Unresponsive) => (
                    WakeOutcome::NoAgent,
                    "the attached agent does not respond; it will be told if it does",
                ),
                (false, _) => {
                    (WakeOutcome::NoAgent, "no agent is attached; it will be told when it comes")
                }
            };
            self.answer_wake_up(peer, message, outcome, detail.to_owned());
            return self.send_answers();
        };
        let now = self.clock.now().instant;
        let Some(key) = secure::key_of(&peer) else { return };
        let call = Call {
            nonce: Nonce::random(&mut self.rng),
            from: incoming.from.clone(),
            fingerprint: Fingerprint::of(&key),
            reason: body.reason,
            attempt: body.attempt,
        };
        let waiter = Waiter { peer, message };
        let tell = self.wake.runs.wake_up(rule, WakeUp { waiter, call, life }, now);
        if let Tell::WithNonce(nonce) = tell {
            incoming.wake_nonce = Some(nonce.to_string());
        }
        match tell {
            Tell::WithNonce(_) | Tell::Plainly => drop(self.take_in(incoming, share, len)),
            Tell::Nothing => self.inbox.room().leave(share, len),
        }
        self.act();
    }

    /// An agent waits to be asked, and answers the last question.
    pub(super) fn on_probe(&mut self, agent: AgentKey, answer: Option<u64>, question: Question) {
        // One that is refused hears that there was no question, and comes again later.
        if let Ok(settled) = self.wake.probes.poll(agent, answer, question) {
            self.on_settled(settled);
        }
    }

    /// An agent gives a nonce back.
    pub(super) fn awake(&mut self, nonce: &str) -> Result<Awoken, NodeError> {
        let now = self.clock.now().instant;
        let nonce = nonce.parse().map_err(|_| NodeError::Invalid {
            detail: "a nonce is 32 hexadecimal digits, as PEER_WAKE_NONCE has them".to_owned(),
        })?;
        let proven = self.wake.runs.awake(&nonce, now).ok_or(NodeError::NoSuchWake)?;
        self.agent_seen = Some(now);
        let took_ms = u64::try_from(proven.took.as_millis()).unwrap_or(u64::MAX);
        let rule = proven.rule + 1;
        tracing::info!(rule, took_ms, "the agent is awake");
        let asked = proven.asked.iter().map(|peer| self.entity_of(peer)).collect();
        self.act();
        Ok(Awoken { rule, took_ms, asked })
    }

    pub(super) fn on_wake_report(&mut self, report: &Report) {
        let now = self.clock.now().instant;
        self.wake.runs.ended(report.run, &report.result);
        let inbox = &self.inbox;
        self.wake.runs.tick(|| inbox.has_agent(), now);
        self.act();
    }

    pub(super) fn tick_wake(&mut self, now: Instant) {
        let inbox = &self.inbox;
        let settled = self.wake.probes.tick(|| inbox.attached(), now);
        self.on_settled(settled);
        let inbox = &self.inbox;
        self.wake.runs.tick(|| inbox.has_agent(), now);
        self.act();
    }

    /// Nothing is woken any more; what has not proved to be an agent is stopped.
    pub(super) fn stop_waking(&mut self) {
        self.wake.runs.stop();
        self.act();
    }

    fn act(&mut self) {
        for action in self.wake.runs.take_actions() {
            let runner = &mut self.wake.runner;
            match action {
                Action::Start { rule, run, call, timeout, replaces } => {
                    runner.start(rule, run, call, timeout, replaces);
                }
                Action::Release { run } => runner.release(run),
                Action::Stop { run } => runner.stop(run),
                Action::Answer { waiter, outcome, detail } => {
                    self.answer_wake_up(waiter.peer, waiter.message, outcome, detail);
                }
            }
        }
        self.send_answers();
    }

    /// Sends some of the answers that wait.
    fn send_answers(&mut self) {
        for _ in 0..ANSWERS {
            let Some((waiter, ack)) = self.wake.answers.pop_front() else { return };
            let Waiter { peer, message } = waiter;
            let body = ack.clone().into();
            match self.send(peer, &body, Some(message), ANSWER_LIFETIME) {
                Ok(_) => {}
                // There is room again soon.
                Err(NodeError::QueueFull { .. }) if !self.stopping => {
                    self.wake.answers.push_back((waiter, ack));
                    return;
                }
                Err(error) => {
                    tracing::warn!(peer = %self.directory.name(&peer), %error, "cannot answer");
                }
            }
        }
    }

    fn answer_wake_up(
        &mut self,
        peer: PeerId,
        message: MessageId,
        outcome: WakeOutcome,
        detail: String,
    ) {
        let outcome = if self.knows_agent_life(&peer) { outcome } else { outcome.plain() };
        if self.wake.answers.len() >= MAX_ANSWERS {
            tracing::warn!(peer = %self.directory.name(&peer), "cannot answer: too many wake-ups");
            return;
        }
        self.wake.answers.push_back((Waiter { peer, message }, WakeUpAck { detail, outcome }));
    }

    fn knows_agent_life(&self, peer: &PeerId) -> bool {
        self.directory.get(peer).is_some_and(|peer| peer.knows_agent_life)
    }
}
